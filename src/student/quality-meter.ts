// The interface of what measures a student against float32 during an import: it runs graphs, which this room cannot.

import type { Dtype } from "./dtype.ts";
import type { Quality } from "./manifest.ts";

/** A step graph that can be measured. */
export interface MeasuredGraph {
  readonly dtype: Dtype;
  readonly engineGraph: string;
}

/** One float32 reference, run once. */
export interface QualityMeter {
  /** Agreement and perplexity. @throws MagdiError when the graph cannot be run */
  qualityOf(graph: MeasuredGraph): Promise<Quality>;
  /** The Kullback-Leibler divergence from float32's next tokens, in nats a position, on texts other than qualityOf's: finer
   * than agreement. @throws as above */
  divergenceOf(engineGraph: string): Promise<number>;
}
