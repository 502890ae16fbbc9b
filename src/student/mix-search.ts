// Finds the modules that need 8 bits where the others have 4: those whose rounding moves the next tokens furthest for their
// bytes, and no more of them than agreement with float32 asks for.

import type { DecoderConfig } from "../nn/decoder-config.ts";
import type { Quality } from "./manifest.ts";

/** Modules of some neighbouring layers that are stored in 8 bits together, or not at all. */
export interface Unit {
  /** Such as "down in layers 0 to 5". */
  readonly name: string;
  readonly modules: readonly string[];
  /** What 8 bits take more than 4. */
  readonly bytes: number;
}

/** Modules with the same input, which are one product. */
const KINDS: Readonly<Record<string, readonly string[]>> = {
  "query, key and value": ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"],
  output: ["self_attn.o_proj"],
  "gate and up": ["mlp.gate_proj", "mlp.up_proj"],
  down: ["mlp.down_proj"],
};

const BANDS = 4;

/** Each kind of module in each quarter of the layers. `bytesOf` is what 8 bits take more, 0 where they change no value. */
export function unitsOf(
  { layers }: Pick<DecoderConfig, "layers">,
  bytesOf: (modules: readonly string[]) => number,
): Unit[] {
  const bands = Math.min(BANDS, layers);
  return Object.entries(KINDS).flatMap(([kind, modules]) =>
    Array.from({ length: bands }, (_, band): Unit => {
      const [first, end] = [band, band + 1].map((at) => Math.floor((at * layers) / bands)) as [
        number,
        number,
      ];
      const own = Array.from({ length: end - first }, (_, at) =>
        modules.map((module) => `model.layers.${first + at}.${module}`),
      ).filter((modules) => bytesOf(modules) > 0);
      const where = end - first === 1 ? `layer ${first}` : `layers ${first} to ${end - 1}`;
      return {
        name: `${kind} in ${where}`,
        modules: own.flat(),
        bytes: own.reduce((sum, modules) => sum + bytesOf(modules), 0),
      };
    }).filter(({ bytes }) => bytes > 0),
  );
}

export interface MixSearch {
  readonly units: readonly Unit[];
  /** Agreement that is enough. */
  readonly agreement: number;
  /** Bytes that the units in 8 bits may take together. */
  readonly spareBytes: number;
  readonly divergenceOf: (inEight: readonly Unit[]) => Promise<number>;
  readonly qualityOf: (inEight: readonly Unit[]) => Promise<Quality>;
}

export interface FoundMix {
  readonly inEight: readonly Unit[];
  readonly quality: Quality;
  /** With no unit in 8 bits. */
  readonly plain: Quality;
}

/** The fewest units, in the order of what each gains for its bytes, with which agreement is enough; where that cannot be
 * reached, all that fit, if these agree more than none. */
export async function findMix(search: MixSearch): Promise<FoundMix> {
  const { agreement, divergenceOf, qualityOf } = search;
  const plain = await qualityOf([]);
  const none: FoundMix = { inEight: [], quality: plain, plain };
  if (plain.agreement >= agreement) return none;
  const affordable = search.units.filter(({ bytes }) => bytes <= search.spareBytes);
  if (affordable.length === 0) return none;
  const before = await divergenceOf([]);
  const gains = new Map<Unit, number>();
  for (const unit of affordable) gains.set(unit, (before - (await divergenceOf([unit]))) / unit.bytes);
  const ordered = [...affordable].sort((a, b) => gains.get(b)! - gains.get(a)!);
  const fitting: Unit[] = [];
  let left = search.spareBytes;
  for (const unit of ordered) {
    if (unit.bytes > left) continue;
    fitting.push(unit);
    left -= unit.bytes;
  }
  const best = async (count: number): Promise<FoundMix> => {
    const inEight = fitting.slice(0, count);
    return { inEight, quality: await qualityOf(inEight), plain };
  };
  let found = await best(fitting.length);
  if (found.quality.agreement < agreement) {
    return found.quality.agreement > plain.agreement ? found : none;
  }
  let [tooFew, enough] = [0, fitting.length];
  while (enough - tooFew > 1) {
    const middle = (tooFew + enough) >> 1;
    const tried = await best(middle);
    if (tried.quality.agreement >= agreement) [enough, found] = [middle, tried];
    else tooFew = middle;
  }
  return found;
}
