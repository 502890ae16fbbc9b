// A fixture folder of PyTorch's training step: its graphs as one batch, its adapter and heads, its expected losses.

import { readFileSync } from "node:fs";
import type { LoraTarget } from "../../src/nn/lora.ts";
import type { ScoreHead } from "../../src/nn/score-head.ts";
import type { TrainingLosses } from "../../src/nn/training-graph.ts";
import { openSafetensors } from "../../src/tensor/safetensors.ts";
import type { StepBatch } from "../../src/train/step/training-step.ts";
import { fixture } from "./scratch-folder.ts";

export type Adjacency = "directed" | "undirected" | "fully-connected";

interface Graphs {
  readonly mags: readonly {
    readonly prompt: readonly number[];
    readonly nodes: readonly { readonly label: number; readonly completion: readonly number[] }[];
    readonly edges: readonly (readonly [number, number])[];
  }[];
  readonly pairs: readonly (readonly (readonly [number, number])[])[];
  readonly weights: { readonly nll: number; readonly margin: number; readonly node: number };
  readonly lora: { readonly r: number; readonly alpha: number; readonly targets: readonly LoraTarget[] };
  readonly margin: number;
}

export interface Losses {
  readonly nll: number;
  readonly margin: number;
  readonly node: number;
  readonly total: number;
}

/** Every tensor of a file, float32, by name. */
export function readTensors(...parts: readonly string[]): Map<string, Float32Array> {
  const file = openSafetensors(fixture(...parts));
  try {
    const floats = [...file.entries.values()].filter(({ type }) => type === "F32");
    return new Map(floats.map(({ name }) => [name, file.readFloat32(name)]));
  } finally {
    file.close();
  }
}

/** Edges as [source, target] of `count` nodes → \u00c2 [count, count] */
function normalised(
  count: number,
  edges: readonly (readonly [number, number])[],
  kind: Adjacency,
): number[][] {
  const a = Array.from({ length: count }, (_, row) =>
    Array.from({ length: count }, (_, column): number =>
      row === column || kind === "fully-connected" ? 1 : 0,
    ),
  );
  for (const [source, target] of edges) {
    a[target]![source] = 1;
    if (kind !== "directed") a[source]![target] = 1;
  }
  const degree = a.map((row) => row.reduce((sum, value) => sum + value, 0));
  return a.map((row, i) => row.map((value, j) => value / Math.sqrt(degree[i]! * degree[j]!)));
}

export class TrainingFixture {
  readonly name: string;
  readonly graphs: Graphs;
  readonly expected: Record<string, Losses>;

  constructor(name: string) {
    this.name = name;
    this.graphs = JSON.parse(readFileSync(fixture(name, "mags.json"), "utf8"));
    this.expected = JSON.parse(readFileSync(fixture(name, "expected.json"), "utf8"));
  }

  get lora() {
    const { r, alpha, targets } = this.graphs.lora;
    return { rank: r, scale: alpha / r, targets, dropout: 0 };
  }

  /** Adapter and heads by our keys. */
  parameters(): Map<string, Float32Array> {
    return new Map([
      ...readTensors(this.name, "adapter", "adapter_model.safetensors"),
      ...readTensors(this.name, "heads.safetensors"),
    ]);
  }

  /** Gradients by our keys. */
  gradients(file: string): Map<string, Float32Array> {
    const read = readTensors(this.name, `grads.${file}.safetensors`);
    return new Map([...read].map(([key, values]) => [key.replace(".default.", "."), values]));
  }

  losses(features: "live" | "frozen"): { [K in keyof TrainingLosses]: NonNullable<TrainingLosses[K]> } {
    const heads = this.parameters();
    const { weights, margin } = this.graphs;
    const head: ScoreHead = heads.has("score.weight")
      ? { kind: "linear" }
      : { kind: "mlp", width: heads.get("score.0.bias")!.length };
    const width = heads.get("gcn.0.bias")!.length;
    const classes = heads.get("node.bias")!.length;
    return {
      nll: { weight: weights.nll },
      margin: { weight: weights.margin, margin, head },
      node: { weight: weights.node, features, classifier: { kind: "gcn", width, classes } },
    };
  }

  /** All graphs, or those of the given indexes, as one batch, padded with a token that the padding must hide. */
  batch(
    adjacency: Adjacency,
    indexes: readonly number[] = this.graphs.mags.map((_, index) => index),
  ): StepBatch {
    const mags = indexes.map((index) => this.graphs.mags[index]!);
    const nodes = mags.flatMap(({ prompt, nodes }) => nodes.map((node) => ({ prompt, ...node })));
    const rows = nodes.length;
    const columns = Math.max(...nodes.map(({ prompt, completion }) => prompt.length + completion.length));
    const tokenIds = new BigInt64Array(rows * columns).fill(3n);
    const poolingWeights = new Float32Array(rows * columns);
    const positions: number[] = [];
    const labels: number[] = [];
    nodes.forEach(({ prompt, completion, label }, row) => {
      const tokens = [...prompt, ...completion];
      const sum = (tokens.length * (tokens.length + 1)) / 2;
      tokens.forEach((token, t) => {
        tokenIds[row * columns + t] = BigInt(token);
        poolingWeights[row * columns + t] = (t + 1) / sum;
        if (label === 1 && t >= prompt.length) {
          positions.push(row * columns + t - 1);
          labels.push(token);
        }
      });
    });
    const edges = new Float32Array(rows * rows);
    const pairs: number[] = [];
    let first = 0;
    mags.forEach((mag, index) => {
      const own = normalised(mag.nodes.length, mag.edges, adjacency);
      own.forEach((row, i) => {
        edges.set(row, (first + i) * rows + first);
      });
      pairs.push(...this.graphs.pairs[indexes[index]!]!.flat().map((node) => first + node));
      first += mag.nodes.length;
    });
    return {
      rows,
      columns,
      tokenIds,
      labelPositions: BigInt64Array.from(positions, BigInt),
      labelIds: BigInt64Array.from(labels, BigInt),
      poolingWeights,
      pairs: BigInt64Array.from(pairs, BigInt),
      adjacency: edges,
      nodeLabels: BigInt64Array.from(nodes, ({ label }) => BigInt(label)),
    };
  }
}

/** |found - expected| over |expected|, both as vectors; |found| where all expected are zero. */
export function relativeError(found: Float32Array, expected: Float32Array): number {
  let difference = 0;
  let norm = 0;
  expected.forEach((value, index) => {
    difference += (found[index]! - value) ** 2;
    norm += value ** 2;
  });
  return norm === 0 ? Math.sqrt(difference) : Math.sqrt(difference / norm);
}
