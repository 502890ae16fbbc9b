// Rotary position embedding: the cosine and sine tables of a decoder.

import type { DecoderConfig, RopeScaling } from "./decoder-config.ts";

/** Inverse frequencies [headSize/2], rounded to float32 at each step as Transformers does.
 * Scaling as in transformers modeling_rope_utils.py (linear, llama3, yarn). */
export function inverseFrequencies(config: DecoderConfig): Float32Array {
  const half = config.headSize / 2;
  const scaling = config.ropeScaling;
  const kept = scaling.kind === "yarn" ? keptShares(config, scaling) : null;
  return Float32Array.from({ length: half }, (_, index) => {
    const exponent = Math.fround((2 * index) / config.headSize);
    const base = Math.fround(1 / Math.fround(config.ropeTheta ** exponent));
    if (scaling.kind === "none") return base;
    if (scaling.kind === "linear") return base / scaling.factor;
    if (scaling.kind === "factors") return base / (scaling.factors[index] ?? 1);
    if (scaling.kind === "yarn") {
      const share = kept?.[index] ?? 1;
      return (base / scaling.factor) * (1 - share) + base * share;
    }
    const wavelength = (2 * Math.PI) / base;
    const { factor, lowFrequencyFactor, highFrequencyFactor, originalPositions } = scaling;
    if (wavelength > originalPositions / lowFrequencyFactor) return base / factor;
    if (wavelength < originalPositions / highFrequencyFactor) return base;
    const smooth =
      (originalPositions / wavelength - lowFrequencyFactor) / (highFrequencyFactor - lowFrequencyFactor);
    return ((1 - smooth) * base) / factor + smooth * base;
  });
}

/** YaRN: how much of each frequency is kept [headSize/2], 1 for the high ones and 0 for the low. */
function keptShares(
  { headSize, ropeTheta }: DecoderConfig,
  { originalPositions, betaFast, betaSlow, truncate }: Extract<RopeScaling, { kind: "yarn" }>,
): Float32Array {
  /** Where among the frequencies one turns so often in the original context. */
  const indexOf = (turns: number): number =>
    (headSize * Math.log(originalPositions / (turns * 2 * Math.PI))) / (2 * Math.log(ropeTheta));
  const [low, high] = [indexOf(betaFast), indexOf(betaSlow)];
  const first = Math.max(truncate ? Math.floor(low) : low, 0);
  let last = Math.min(truncate ? Math.ceil(high) : high, headSize - 1);
  if (first === last) last += 0.001;
  return Float32Array.from(
    { length: headSize / 2 },
    (_, index) => 1 - Math.min(1, Math.max(0, (index - first) / (last - first))),
  );
}

/** cosine and sine [positions, headSize/2] of position · inverse frequency, scaled as YaRN does. */
export function rotaryTables(config: DecoderConfig): { cosine: Float32Array; sine: Float32Array } {
  const frequencies = inverseFrequencies(config);
  const half = frequencies.length;
  const scale = config.ropeScaling.kind === "yarn" ? config.ropeScaling.attentionFactor : 1;
  const cosine = new Float32Array(config.positions * half);
  const sine = new Float32Array(config.positions * half);
  for (let position = 0; position < config.positions; position++) {
    for (let index = 0; index < half; index++) {
      const angle = Math.fround(position * (frequencies[index] ?? 0));
      cosine[position * half + index] = Math.cos(angle) * scale;
      sine[position * half + index] = Math.sin(angle) * scale;
    }
  }
  return { cosine, sine };
}
