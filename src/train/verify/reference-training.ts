// Converts a folder of reference results for our training step: adapter, heads, losses and batch.

import { MagdiError } from "../../base/errors.ts";
import type { DecoderConfig } from "../../nn/decoder-config.ts";
import { nodeClassifierShapes } from "../../nn/node-classifier.ts";
import { scoreHeadShapes } from "../../nn/score-head.ts";
import type { TrainingLosses } from "../../nn/training-graph.ts";
import { type Shape, shapeMismatches } from "../../tensor/shape-mismatch.ts";
import type { HeadTensor } from "../adapter/heads-file.ts";
import { adapterKey, type LoraModule, type PeftAdapter, trainableLora } from "../adapter/peft-adapter.ts";
import type { Adjacency } from "../batches/adjacency.ts";
import { trainingBatch } from "../batches/training-batch.ts";
import type { TrainingUnit } from "../batches/training-unit.ts";
import type { StepBatch } from "../step/training-step.ts";
import { PARAMETERS_FILE, type ReferenceFolder, type ReferenceMags } from "./reference-folder.ts";

/** The label of a node whose answer is right; other labels are for the node loss only. */
const CORRECT = 1;

/** The adapter's modules with other tensors. @throws MAGDI_BAD_FILE naming every tensor that does not fit. */
export function withTensors(
  { modules }: PeftAdapter,
  tensors: ReadonlyMap<string, HeadTensor>,
): LoraModule[] {
  const expected = new Map<string, Shape>(
    modules.flatMap(({ module, rank, rows, columns }) => [
      [adapterKey(module, "A"), [rank, columns]],
      [adapterKey(module, "B"), [rows, rank]],
    ]),
  );
  assertTensors(PARAMETERS_FILE, expected, tensors, (key) => !key.startsWith("base_model."));
  return modules.map((lora) => ({
    ...lora,
    a: tensors.get(adapterKey(lora.module, "A"))!.data, // checked above
    b: tensors.get(adapterKey(lora.module, "B"))!.data,
  }));
}

/** @throws MAGDI_BAD_FILE naming every tensor that does not fit. */
export function assertTensors(
  file: string,
  expected: ReadonlyMap<string, Shape>,
  found: ReadonlyMap<string, HeadTensor>,
  ignored?: (key: string) => boolean,
): void {
  const mismatches = shapeMismatches(expected, found, ignored);
  if (mismatches !== "") {
    throw new MagdiError(
      "MAGDI_BAD_FILE",
      `${file}: expected the parameters of the training step${mismatches}`,
    );
  }
}

export interface LossChoice {
  /** Null leaves a loss out. */
  readonly weights: {
    readonly nll: number | null;
    readonly margin: number | null;
    readonly node: number | null;
  };
  readonly margin: number;
  readonly features: "live" | "frozen";
}

/** The losses, with heads of the kinds and sizes of these tensors. @throws MAGDI_BAD_FILE naming every tensor that fits no
 * such head. */
export function lossesOver(
  heads: ReadonlyMap<string, HeadTensor>,
  config: DecoderConfig,
  { weights, margin, features }: LossChoice,
): TrainingLosses {
  const rows = (key: string): number => heads.get(key)?.shape[0] ?? 0;
  const head = heads.has("score.weight")
    ? ({ kind: "linear" } as const)
    : ({ kind: "mlp", width: rows("score.0.weight") } as const);
  const classifier = {
    kind: "gcn",
    innerWidth: rows("gcn.0.weight"),
    width: rows("gcn.1.weight"),
    classes: rows("node.weight"),
  } as const;
  assertTensors(
    "heads.safetensors",
    new Map([
      ...scoreHeadShapes(head, config.hiddenSize),
      ...nodeClassifierShapes(classifier, config.hiddenSize),
    ]),
    heads,
  );
  return {
    nll: weights.nll === null ? null : { weight: weights.nll },
    margin: weights.margin === null ? null : { weight: weights.margin, margin, head },
    node: weights.node === null ? null : { weight: weights.node, features, classifier },
  };
}

/** @throws MagdiError naming what is broken or does not fit together: base, adapter, heads or graphs. */
export function assertTrainable(folder: ReferenceFolder): void {
  const base = folder.openBase();
  try {
    trainableLora(base.config, folder.adapter(base));
    const { mags, weights, margin } = folder.mags();
    const heads = folder.heads();
    lossesOver(heads, base.config, { weights, margin, features: "live" });
    const { vocabSize } = base.config;
    const [classes = 0] = heads.get("node.weight")?.shape ?? [];
    for (const [index, { prompt, nodes }] of mags.entries()) {
      const ids = [prompt, ...nodes.map(({ completion }) => completion)].flat();
      const wrong = [
        ...ids.filter((id) => id >= vocabSize).map((id) => `token ${id} of a vocabulary of ${vocabSize}`),
        ...nodes
          .filter(({ label }) => label >= classes)
          .map(({ label }) => `label ${label} of ${classes} classes`),
      ];
      if (wrong.length > 0) {
        throw new MagdiError(
          "MAGDI_BAD_FILE",
          `${folder.path}: mags.json: graph ${index}: found ${wrong[0]}`,
        );
      }
    }
  } finally {
    base.close();
  }
}

/** All graphs as one batch. */
export function batchOf({ mags, pairs }: ReferenceMags, adjacency: Adjacency): StepBatch {
  const units = mags.map(
    ({ prompt, nodes, edges }, index): TrainingUnit => ({
      id: String(index),
      rows: nodes.map(({ completion, label }) => ({
        tokenIds: Int32Array.from([...prompt, ...completion]),
        promptLength: prompt.length,
        label: label === CORRECT ? 1 : 0,
      })),
      edges,
    }),
  );
  const labels = mags.flatMap(({ nodes }) => nodes.map(({ label }) => BigInt(label)));
  return {
    ...trainingBatch(units, { adjacency, pairs: ({ id }) => pairs[Number(id)] ?? [] }),
    // The classifier may have more classes than right and wrong.
    nodeLabels: BigInt64Array.from(labels),
  };
}
