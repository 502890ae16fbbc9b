// The arrays of a training step, against the reference fixtures' graphs and against sums done by hand.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import type { Pair } from "../../src/mag/contrastive-pairs.ts";
import { edgesOf } from "../../src/mag/edges.ts";
import type { Edge } from "../../src/mag/mag-schema.ts";
import { openSafetensors } from "../../src/tensor/safetensors.ts";
import { ADJACENCIES, normalisedAdjacency } from "../../src/train/batches/adjacency.ts";
import { trainingBatch } from "../../src/train/batches/training-batch.ts";
import type { TrainingUnit } from "../../src/train/batches/training-unit.ts";
import { fixture } from "../support/scratch-folder.ts";

interface FixtureNode {
  readonly agent: number;
  readonly round: number;
  readonly label: 0 | 1;
  readonly completion: readonly number[];
}

interface FixtureMags {
  readonly mags: readonly {
    readonly prompt: readonly number[];
    readonly nodes: readonly FixtureNode[];
    readonly edges: readonly Edge[];
  }[];
  readonly pairs: readonly (readonly Pair[])[];
}

function fixtureUnits(name: string): {
  units: TrainingUnit[];
  pairs: readonly (readonly Pair[])[];
  mags: FixtureMags;
} {
  const mags: FixtureMags = JSON.parse(readFileSync(fixture(name, "mags.json"), "utf8"));
  const units = mags.mags.map(
    ({ prompt, nodes, edges }, index): TrainingUnit => ({
      id: String(index),
      rows: nodes.map(({ completion, label }) => ({
        tokenIds: Int32Array.of(...prompt, ...completion),
        promptLength: prompt.length,
        label,
      })),
      edges,
    }),
  );
  return { units, pairs: mags.pairs, mags };
}

for (const name of ["tiny-llama", "tiny-qwen2"]) {
  describe(`${name}'s graphs`, () => {
    const { units, pairs, mags } = fixtureUnits(name);
    const pairsOf = (unit: TrainingUnit): readonly Pair[] => pairs[Number(unit.id)]!;
    const batch = trainingBatch(units, { adjacency: "directed", pairs: pairsOf, padTokenId: 7 });
    const nodes = mags.mags.flatMap((mag) => mag.nodes.map((node) => ({ prompt: mag.prompt, ...node })));

    test("every right node's completion is labelled, and nothing else", () => {
      const right = nodes.filter(({ label }) => label === 1);
      assert.deepEqual(
        [...batch.labelIds].map(Number),
        right.flatMap(({ completion }) => completion),
      );
      assert.equal(
        batch.labelTokens,
        right.reduce((sum, { completion }) => sum + completion.length, 0),
      );
      assert.equal(batch.labelPositions.length, batch.labelTokens);
      const followers = [...batch.labelPositions].map((position) => batch.tokenIds[Number(position) + 1]);
      assert.deepEqual(followers, [...batch.labelIds]);
      // The first label of a row stands behind the prompt's last token.
      const [first] = batch.labelPositions;
      assert.equal(
        Number(first),
        nodes.findIndex(({ label }) => label === 1) * batch.columns + mags.mags[0]!.prompt.length - 1,
      );
      for (const position of batch.labelPositions) {
        const row = Math.floor(Number(position) / batch.columns);
        assert.equal(nodes[row]!.label, 1);
        assert.ok((Number(position) % batch.columns) + 1 < batch.lengths[row]!);
      }
    });

    test("rows are padded on the right with what was asked for", () => {
      assert.equal(batch.rows, nodes.length);
      assert.deepEqual(
        [...batch.lengths],
        nodes.map(({ prompt, completion }) => prompt.length + completion.length),
      );
      assert.equal(batch.columns, Math.max(...batch.lengths));
      for (const [row, { prompt, completion }] of nodes.entries()) {
        const ids = [...batch.tokenIds.subarray(row * batch.columns, (row + 1) * batch.columns)].map(Number);
        const padding = new Array(batch.columns - prompt.length - completion.length).fill(7);
        assert.deepEqual(ids, [...prompt, ...completion, ...padding]);
      }
    });

    test("pooling weighs token t of T with t / Σt", () => {
      for (let row = 0; row < batch.rows; row++) {
        const weights = batch.poolingWeights.subarray(row * batch.columns, (row + 1) * batch.columns);
        const length = batch.lengths[row]!;
        const sum = (length * (length + 1)) / 2;
        for (const [t, weight] of weights.entries()) {
          assert.equal(weight, t < length ? Math.fround((t + 1) / sum) : 0);
        }
      }
    });

    test("pairs are shifted to the batch's rows", () => {
      const starts = mags.mags.map((_, at) => mags.mags.slice(0, at).flatMap((mag) => mag.nodes).length);
      const expected = pairs.flatMap((ofMag, at) =>
        ofMag.flatMap((pair) => pair.map((node) => starts[at]! + node)),
      );
      assert.deepEqual([...batch.pairs].map(Number), expected);
      for (let at = 0; at < batch.pairs.length; at += 2) {
        assert.equal(batch.nodeLabels[Number(batch.pairs[at])], 1n);
        assert.equal(batch.nodeLabels[Number(batch.pairs[at + 1])], 0n);
      }
    });

    test("the edges are those of the rounds", () => {
      for (const { nodes: spoken, edges } of mags.mags) {
        const found = edgesOf(
          spoken.map(({ agent, round }) => ({ agent: String(agent), round })),
          "rounds",
        );
        assert.deepEqual(found, edges);
      }
    });

    test("the node classifier's logits and loss come out of Â as in the reference", () => {
      const expected = JSON.parse(readFileSync(fixture(name, "expected.json"), "utf8"));
      const heads = tensors(fixture(name, "heads.safetensors"));
      const activations = tensors(fixture(name, "activations.safetensors"));
      const pooled = joined([0, 1, 2].map((mag) => activations.get(`pooled.${mag}`)!));
      const directed = joined([0, 1, 2].map((mag) => activations.get(`node_logits.${mag}`)!));
      for (const kind of ADJACENCIES) {
        const { adjacency, nodeLabels } = trainingBatch(units, { adjacency: kind });
        let hidden = pooled;
        for (const layer of ["gcn.0", "gcn.1"])
          hidden = relu(linear(matmul(adjacency, batch.rows, hidden), heads, layer, batch.rows));
        const logits = linear(hidden, heads, "node", batch.rows);
        if (kind === "directed") {
          assert.ok(
            logits.every((logit, at) => Math.abs(logit - directed[at]!) < 1e-4),
            "logits",
          );
        }
        assert.ok(Math.abs(crossEntropy(logits, nodeLabels) - expected[`${kind}/live`].node) < 1e-5, kind);
      }
    });
  });
}

function tensors(path: string): Map<string, Float32Array> {
  const file = openSafetensors(path);
  try {
    return new Map([...file.entries.keys()].map((key) => [key, file.readFloat32(key)]));
  } finally {
    file.close();
  }
}

function joined(parts: readonly Float32Array[]): Float32Array {
  return Float32Array.from(parts.flatMap((part) => [...part]));
}

/** a [n, n], x [n, k] → [n, k] */
function matmul(a: Float32Array, n: number, x: Float32Array): Float32Array {
  const k = x.length / n;
  return Float32Array.from({ length: n * k }, (_, at) => {
    let sum = 0;
    for (let j = 0; j < n; j++) sum += a[Math.floor(at / k) * n + j]! * x[j * k + (at % k)]!;
    return sum;
  });
}

/** x [n, in], weight [out, in], bias [out] → [n, out] */
function linear(x: Float32Array, heads: Map<string, Float32Array>, layer: string, n: number): Float32Array {
  const weight = heads.get(`${layer}.weight`)!;
  const bias = heads.get(`${layer}.bias`)!;
  const inputs = x.length / n;
  return Float32Array.from({ length: n * bias.length }, (_, at) => {
    const [row, out] = [Math.floor(at / bias.length), at % bias.length];
    let sum = bias[out]!;
    for (let i = 0; i < inputs; i++) sum += x[row * inputs + i]! * weight[out * inputs + i]!;
    return sum;
  });
}

function relu(x: Float32Array): Float32Array {
  return x.map((value) => Math.max(0, value));
}

/** logits [n, classes] */
function crossEntropy(logits: Float32Array, labels: BigInt64Array): number {
  const classes = logits.length / labels.length;
  let sum = 0;
  for (const [row, label] of labels.entries()) {
    const all = [...logits.subarray(classes * row, classes * (row + 1))];
    sum += Math.log(all.reduce((total, logit) => total + Math.exp(logit), 0)) - all[Number(label)]!;
  }
  return sum / labels.length;
}

const unit = (rows: readonly [tokens: number[], promptLength: number, label: 0 | 1][]): TrainingUnit => ({
  id: "unit",
  rows: rows.map(([tokens, promptLength, label]) => ({
    tokenIds: Int32Array.from(tokens),
    promptLength,
    label,
  })),
  edges: [],
});

test("a pad token that is also the end token hides no label", () => {
  const end = 2;
  const batch = trainingBatch(
    [
      unit([
        [[5, 6, 7, end], 2, 1],
        [[5, end], 1, 1],
      ]),
    ],
    {
      adjacency: "directed",
      padTokenId: end,
    },
  );
  assert.deepEqual([...batch.labelIds], [7n, 2n, 2n]);
  assert.deepEqual([...batch.labelPositions], [1n, 2n, 4n]);
  assert.deepEqual(
    [...batch.poolingWeights.subarray(4)].map((weight) => weight > 0),
    [true, true, false, false],
  );
});

test("lossOnPrompt labels everything behind the first token", () => {
  const batch = trainingBatch(
    [
      unit([
        [[5, 6, 7], 2, 1],
        [[5, 6, 8], 2, 0],
      ]),
    ],
    {
      adjacency: "directed",
      lossOnPrompt: true,
    },
  );
  assert.deepEqual([...batch.labelIds], [6n, 7n]);
  assert.deepEqual([...batch.labelPositions], [0n, 1n]);
});

test("a batch of wrong nodes alone has no labels and no pairs", () => {
  const batch = trainingBatch([unit([[[5, 6], 1, 0]])], { adjacency: "undirected" });
  assert.equal(batch.labelTokens, 0);
  assert.equal(batch.pairs.length, 0);
  assert.deepEqual([...batch.adjacency], [1]);
});

test("a batch refuses rows without a prompt, and to be empty", () => {
  assert.throws(() => trainingBatch([], { adjacency: "directed" }), RangeError);
  assert.throws(
    () => trainingBatch([unit([[[5, 6], 0, 1]])], { adjacency: "directed" }),
    /prompt of 1 to 2 tokens/,
  );
});

test("Â counts in-degrees with the self loop, and is not symmetric when directed", () => {
  const half = Math.fround(Math.SQRT1_2);
  const directed = normalisedAdjacency(2, [[0, 1]], "directed");
  assert.deepEqual([...directed], [1, 0, half, Math.fround(0.5)]);
  assert.ok(
    [...normalisedAdjacency(2, [[0, 1]], "undirected")].every((value) => Math.abs(value - 0.5) < 1e-7),
  );
  assert.deepEqual(
    normalisedAdjacency(2, [], "fully-connected"),
    normalisedAdjacency(2, [[0, 1]], "undirected"),
  );
  // An edge twice is an edge.
  assert.deepEqual(
    normalisedAdjacency(
      2,
      [
        [0, 1],
        [0, 1],
      ],
      "directed",
    ),
    directed,
  );
});

test("Â of a batch is a block for each graph", () => {
  const two = {
    ...unit([
      [[1, 2], 1, 1],
      [[1, 3], 1, 0],
    ]),
    edges: [[0, 1]] as Edge[],
  };
  const batch = trainingBatch([two, unit([[[1, 2], 1, 1]])], { adjacency: "directed" });
  const half = Math.fround(Math.SQRT1_2);
  assert.deepEqual(
    [...batch.adjacency],
    [1, 0, 0, half, 0.5, 0, 0, 0, 1].map((value) => (value === 0.5 ? Math.fround(0.5) : value)),
  );
});
