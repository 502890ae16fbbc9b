// The 4-bit dtype of an import made a mix: the modules that agreement with float32 needs are stored in 8 bits.

import { rmSync } from "node:fs";
import path from "node:path";
import { MagdiError } from "../base/errors.ts";
import type { BaseModel } from "./base-model.ts";
import { MIN_AGREEMENT } from "./dtype-choice.ts";
import type { Mixed, Quality } from "./manifest.ts";
import { findMix, type Unit, unitsOf } from "./mix-search.ts";
import { type Mix, replaceByMix, writeMixedGraph } from "./mixed-weights.ts";
import type { ImportProgress } from "./open-base.ts";
import type { QualityMeter } from "./quality-meter.ts";
import { isRoundedToFour } from "./stored-linear.ts";
import type { Written } from "./write-dtype.ts";

export interface MixOptions {
  readonly base: BaseModel;
  /** The student's. */
  readonly folder: string;
  readonly meter: QualityMeter;
  /** Bytes that the weights may take. Default: any. */
  readonly maxBytes?: number;
  readonly onProgress?: (progress: ImportProgress) => void;
}

export interface MixedDtype {
  readonly written: Written;
  readonly quality: Quality;
  /** Null where no module needs 8 bits, or none that fits helps. */
  readonly mixed: Mixed | null;
}

/** `coarse` is the dtype in 4 bits, which is replaced, `fine` the same base in 8.
 * @throws MAGDI_BAD_CONFIG where not even 4 bits fit */
export async function mixFourBits(coarse: Written, fine: Written, options: MixOptions): Promise<MixedDtype> {
  const { base, folder, meter, maxBytes = Number.POSITIVE_INFINITY, onProgress } = options;
  const spareBytes = maxBytes - coarse.dataBytes;
  if (spareBytes < 0) {
    const needed = Math.ceil(coarse.dataBytes / 1e6);
    throw new MagdiError(
      "MAGDI_BAD_CONFIG",
      `--max-size-mb: expected at least ${needed}, which ${coarse.dtype} takes, found ${maxBytes / 1e6}; --vocabulary keeps fewer tokens`,
    );
  }
  const units = unitsOf(base.config, (modules) => {
    const rounded = modules.some((module) => isRoundedToFour(base.tensors.get(`${module}.weight`)!)); // checked
    return rounded ? fine.weights.bytesOf(modules) - coarse.weights.bytesOf(modules) : 0;
  });
  const mixOf = (inEight: readonly Unit[]): Mix => {
    const modules = new Set(inEight.flatMap((unit) => unit.modules));
    return { coarse, fine, isFine: (module) => modules.has(module) };
  };
  const graph = path.join(folder, "onnx", "engine_mix.onnx");
  const measured = async <T>(inEight: readonly Unit[], measure: () => Promise<T>): Promise<T> => {
    writeMixedGraph(graph, base.config, mixOf(inEight));
    try {
      return await measure();
    } finally {
      rmSync(graph);
    }
  };
  let done = 0;
  const { inEight, quality, plain } = await findMix({
    units,
    agreement: MIN_AGREEMENT,
    spareBytes,
    qualityOf: (inEight) =>
      measured(inEight, () => meter.qualityOf({ dtype: coarse.dtype, engineGraph: graph })),
    divergenceOf: async (inEight) => {
      const divergence = await measured(inEight, () => meter.divergenceOf(graph));
      onProgress?.({ stage: "looking for what needs 8 bits", done: ++done, total: units.length + 1 });
      return divergence;
    },
  });
  if (inEight.length === 0) return { written: coarse, quality, mixed: null };
  return {
    written: replaceByMix(base.config, folder, mixOf(inEight)),
    quality,
    mixed: { inEight: inEight.map(({ name }) => name), plainAgreement: plain.agreement },
  };
}
