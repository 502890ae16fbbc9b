// The kinds of node classifier on a tiny student: their gradients against finite differences, who hears whom, dropout.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { NODE_CLASSIFIERS, type NodeClassifier } from "../../src/nn/node-classifier.ts";
import type { TrainingLosses } from "../../src/nn/training-graph.ts";
import { openBase } from "../../src/student/open-base.ts";
import { initialiseParameters } from "../../src/train/step/initial-parameters.ts";
import { openTrainingStep, type StepBatch, type TrainingStep } from "../../src/train/step/training-step.ts";
import { fixture, scratchFolder } from "../support/scratch-folder.ts";
import { readTensors, TrainingFixture } from "../support/training-fixture.ts";
import { SeededRandom } from "../text/seeded-random.ts";

const scratch = scratchFolder();
const own = new TrainingFixture("tiny-llama");
const opened: TrainingStep[] = [];
after(() => {
  for (const step of opened) step.close();
});

type NodeLoss = NonNullable<TrainingLosses["node"]>;

/** Each kind, and the released code's, which has no layer behind its second and three classes. */
const CLASSIFIERS: Readonly<Record<string, NodeClassifier>> = {
  ...Object.fromEntries(NODE_CLASSIFIERS.map((kind) => [kind, { kind, width: 12, classes: 2 }])),
  "direct gcn": { kind: "gcn", width: 12, classes: 3, direct: true },
};

async function stepOf(classifier: NodeClassifier, rest: Partial<NodeLoss> = {}): Promise<TrainingStep> {
  const base = openBase(fixture("tiny-llama", "base"));
  const node = { weight: 1, features: "live" as const, classifier, ...rest };
  const step = await openTrainingStep(base, {
    lora: own.lora,
    losses: { nll: null, margin: null, node },
    threads: 1,
    scratchFolder: scratch,
  });
  base.close();
  opened.push(step);
  initialiseParameters(step.parameters, step.shapes, 5);
  for (const [key, values] of own.parameters())
    if (key.startsWith("base_")) step.parameters.get(key)?.set(values);
  return step;
}

/** The same batch with other tokens in one row. */
function changed(batch: StepBatch, row: number): StepBatch {
  const tokenIds = batch.tokenIds.slice();
  for (let at = row * batch.columns; at < (row + 1) * batch.columns; at++)
    tokenIds[at] = (tokenIds[at]! + 11n) % 160n;
  return { ...batch, tokenIds };
}

/** Only this node has a label. */
function labelled(batch: StepBatch, row: number): StepBatch {
  return { ...batch, nodeLabels: batch.nodeLabels.map((label, index) => (index === row ? label : -1n)) };
}

for (const [kind, classifier] of Object.entries(CLASSIFIERS)) {
  test(`${kind}: the gradient is the slope in a random direction, and reaches the adapters`, async () => {
    const step = await stepOf(classifier);
    const batch = own.batch("directed");
    await step.run(batch, "train");
    const random = new SeededRandom(11);
    const directions = new Map(
      [...step.parameters].map(([key, values]) => [
        key,
        values.map(() => (random.below(2001) - 1000) / 1000),
      ]),
    );
    let slope = 0;
    for (const [key, direction] of directions) {
      const gradient = step.gradients.get(key)!;
      assert.ok(
        gradient.some((value) => value !== 0),
        `${key} has no gradient`,
      );
      for (const [index, value] of direction.entries()) slope += value * gradient[index]!;
    }
    const before = new Map([...step.parameters].map(([key, values]) => [key, values.slice()]));
    const lossAt = async (distance: number): Promise<number> => {
      for (const [key, values] of step.parameters) {
        const [from, direction] = [before.get(key)!, directions.get(key)!];
        values.forEach((_, index) => {
          values[index] = from[index]! + distance * direction[index]!;
        });
      }
      return (await step.run(batch, "validate")).node;
    };
    const h = 1e-4;
    const measured = ((await lossAt(h)) - (await lossAt(-h))) / (2 * h);
    assert.ok(Math.abs(measured - slope) < 0.02 * Math.abs(slope) + 2e-3, `${slope}, measured ${measured}`);
  });

  test(`${kind}: a node hears those that point to it, through others too, and nobody else`, async () => {
    const step = await stepOf(classifier);
    const batch = own.batch("directed");
    const { rows, adjacency } = batch;
    const heard = (to: number, from: number): boolean => adjacency[to * rows + from]! > 0;
    // Within two layers; one where tokens are looked at.
    const reaches = (to: number, from: number): boolean =>
      heard(to, from) ||
      (kind !== "token-attention" &&
        Array.from({ length: rows }, (_, between) => between).some(
          (between) => heard(to, between) && heard(between, from),
        ));
    const target = Array.from({ length: rows }, (_, row) => row).find((row) =>
      Array.from({ length: rows }, (_, from) => from).some((from) => from !== row && heard(row, from)),
    )!;
    const loss = async (changedRow: number | null): Promise<number> => {
      const one = labelled(batch, target);
      return (await step.run(changedRow === null ? one : changed(one, changedRow), "validate")).node;
    };
    const plain = await loss(null);
    for (let row = 0; row < rows; row++) {
      const difference = Math.abs((await loss(row)) - plain);
      assert.equal(difference > 1e-9, reaches(target, row), `node ${target}, row ${row}: ${difference}`);
    }
  });
}

test("dropout in the classifier depends on its seed, and validation has it only when told", async () => {
  const batch = own.batch("directed");
  for (const whenValidating of [false, true]) {
    const step = await stepOf(CLASSIFIERS.gcn!, { dropout: { share: 0.5, whenValidating } });
    const loss = async (mode: "train" | "validate", dropoutSeed: number) =>
      (await step.run(batch, mode, { dropoutSeed })).node;
    assert.equal(await loss("train", 1), await loss("train", 1));
    assert.notEqual(await loss("train", 1), await loss("train", 2));
    assert.equal((await loss("validate", 1)) !== (await loss("validate", 2)), whenValidating);
  }
});

/** rows [n, k], weight [m, k], bias [m] → [n, m] */
const affine = (rows: readonly number[][], weight: Float32Array, bias: Float32Array): number[][] =>
  rows.map((row) =>
    [...bias].map((start, out) =>
      row.reduce((sum, x, at) => sum + x * weight[out * row.length + at]!, start),
    ),
  );

/** matrix [n, n], rows [n, k] → matrix·rows */
const mixedBy = (matrix: Float32Array, rows: readonly number[][]): number[][] =>
  rows.map((row, to) =>
    row.map((_, at) =>
      rows.reduce((sum, from, index) => sum + matrix[to * rows.length + index]! * from[at]!, 0),
    ),
  );

test("a direct classifier's loss is that of softmax(Â·ReLU(Â·X·W₀ᵀ + b₀)·W₁ᵀ + b₁) over three classes", async () => {
  const step = await stepOf(CLASSIFIERS["direct gcn"]!);
  assert.deepEqual(
    [...step.shapes].filter(([key]) => !key.startsWith("base_")),
    [
      ["gcn.0.weight", [12, 64]],
      ["gcn.0.bias", [12]],
      ["gcn.1.weight", [3, 12]],
      ["gcn.1.bias", [3]],
    ],
  );
  step.parameters.get("gcn.1.bias")?.set([0.3, -0.2, 0.1]);
  const batch = { ...own.batch("directed", [0]) };
  const pooled = readTensors("tiny-llama", "activations.safetensors").get("pooled.0")!;
  const labels = batch.nodeLabels.map((label, row) => (row === 0 ? 2n : label));
  const nodes = Array.from({ length: batch.rows }, (_, row) => [...pooled.subarray(row * 64, row * 64 + 64)]);
  const [weight0, bias0, weight1, bias1] = ["gcn.0.weight", "gcn.0.bias", "gcn.1.weight", "gcn.1.bias"].map(
    (key) => step.parameters.get(key)!,
  );
  const first = affine(mixedBy(batch.adjacency, nodes), weight0!, bias0!);
  const inner = first.map((row) => row.map((x) => Math.max(0, x)));
  const logits = affine(mixedBy(batch.adjacency, inner), weight1!, bias1!);
  const expected = logits.map(
    (row, at) => Math.log(row.reduce((sum, x) => sum + Math.exp(x), 0)) - row[Number(labels[at])]!,
  );
  const { node, nodesRight } = await step.run({ ...batch, nodeLabels: labels }, "validate");
  const mean = expected.reduce((sum, x) => sum + x, 0) / expected.length;
  assert.ok(Math.abs(node - mean) < 1e-5, `${node} instead of ${mean}`);
  const right = logits.filter((row, at) => row.indexOf(Math.max(...row)) === Number(labels[at]));
  assert.equal(nodesRight, right.length);
});
