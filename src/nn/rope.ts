// Rotary position embedding: the cosine and sine tables of a decoder.

import type { DecoderConfig } from "./decoder-config.ts";

/** Inverse frequencies [headSize/2], rounded to float32 at each step as Transformers does.
 * Scaling as in transformers modeling_rope_utils.py (linear, llama3). */
export function inverseFrequencies(config: DecoderConfig): Float32Array {
  const half = config.headSize / 2;
  const scaling = config.ropeScaling;
  return Float32Array.from({ length: half }, (_, index) => {
    const exponent = Math.fround((2 * index) / config.headSize);
    const base = Math.fround(1 / Math.fround(config.ropeTheta ** exponent));
    if (scaling.kind === "none") return base;
    if (scaling.kind === "linear") return base / scaling.factor;
    if (scaling.kind === "factors") return base / (scaling.factors[index] ?? 1);
    const wavelength = (2 * Math.PI) / base;
    const { factor, lowFrequencyFactor, highFrequencyFactor, originalPositions } = scaling;
    if (wavelength > originalPositions / lowFrequencyFactor) return base / factor;
    if (wavelength < originalPositions / highFrequencyFactor) return base;
    const smooth =
      (originalPositions / wavelength - lowFrequencyFactor) / (highFrequencyFactor - lowFrequencyFactor);
    return ((1 - smooth) * base) / factor + smooth * base;
  });
}

/** cosine and sine [positions, headSize/2] of position · inverse frequency. */
export function rotaryTables(config: DecoderConfig): { cosine: Float32Array; sine: Float32Array } {
  const frequencies = inverseFrequencies(config);
  const half = frequencies.length;
  const cosine = new Float32Array(config.positions * half);
  const sine = new Float32Array(config.positions * half);
  for (let position = 0; position < config.positions; position++) {
    for (let index = 0; index < half; index++) {
      const angle = Math.fround(position * (frequencies[index] ?? 0));
      cosine[position * half + index] = Math.cos(angle);
      sine[position * half + index] = Math.sin(angle);
    }
  }
  return { cosine, sine };
}
