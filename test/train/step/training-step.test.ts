// Holds a training step to PyTorch's losses and gradients for every adjacency, mode and single loss, and to what must
// hold of any step: what padding, dropout, accumulation, validation and closing do.

import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { after, test } from "node:test";
import { LORA_TARGETS, type LoraOptions } from "../../../src/nn/lora.ts";
import type { TrainingLosses } from "../../../src/nn/training-graph.ts";
import { openBase } from "../../../src/student/open-base.ts";
import { fillNoise } from "../../../src/train/batches/seeded-random.ts";
import {
  countsOf,
  openTrainingStep,
  type StepBatch,
  type TrainingStep,
} from "../../../src/train/step/training-step.ts";
import { fixture, scratchFolder } from "../../support/scratch-folder.ts";
import { relativeError, TrainingFixture } from "../../support/training-fixture.ts";

const scratch = scratchFolder();
const NAMES = ["tiny-llama", "tiny-qwen2"];
const ADJACENCIES = ["directed", "undirected", "fully-connected"] as const;
const NONE: TrainingLosses = { nll: null, margin: null, node: null };
const opened: TrainingStep[] = [];
after(() => {
  for (const step of opened) step.close();
});

/** A step with the fixture's parameters in place. */
async function stepOf(
  own: TrainingFixture,
  losses: TrainingLosses,
  lora: LoraOptions = own.lora,
  recompute = false,
): Promise<TrainingStep> {
  const base = openBase(fixture(own.name, "base"));
  const options = { lora, losses, recompute, threads: 1, scratchFolder: scratch };
  const step = await openTrainingStep(base, options);
  base.close();
  opened.push(step);
  for (const [key, values] of own.parameters()) step.parameters.get(key)?.set(values);
  return step;
}

const copied = (arrays: ReadonlyMap<string, Float32Array>): Map<string, Float32Array> =>
  new Map([...arrays].map(([key, values]) => [key, values.slice()]));

function add(sum: Float32Array, values: Float32Array, factor: number): void {
  for (const [at, value] of values.entries()) sum[at] = sum[at]! + factor * value;
}

const isZero = (values: Float32Array): boolean => values.every((value) => value === 0);

function assertGradients(step: TrainingStep, expected: ReadonlyMap<string, Float32Array>): void {
  for (const [key, values] of expected) {
    const found = step.gradients.get(key);
    if (found === undefined) assert.ok(isZero(values), `${key} has no gradient, expected one`);
    else {
      const error = relativeError(found, values);
      assert.ok(error < 1e-4, `${key}: off by ${error} of its norm`);
    }
  }
}

function assertLosses(own: TrainingFixture, name: string, found: Readonly<Record<string, unknown>>): void {
  const expected = own.expected[name];
  assert.ok(expected, name);
  for (const [term, value] of Object.entries(expected)) {
    assert.ok(Math.abs(Number(found[term]) - value) < 1e-5, `${term}: ${found[term]} instead of ${value}`);
  }
}

for (const name of NAMES) {
  const own = new TrainingFixture(name);
  for (const features of ["live", "frozen"] as const) {
    test(`${name}, ${features} features: losses and gradients of every adjacency are PyTorch's`, async () => {
      const step = await stepOf(own, own.losses(features));
      for (const adjacency of ADJACENCIES) {
        const validated = await step.run(own.batch(adjacency), "validate");
        assertLosses(own, `${adjacency}/${features}`, { ...validated });
        assert.ok([...step.gradients.values()].every((values) => adjacency !== "directed" || isZero(values)));
        const trained = await step.run(own.batch(adjacency), "train");
        assert.deepEqual(trained, validated);
        const file = `${adjacency}.${features}`;
        const files = readdirSync(fixture(name));
        if (files.includes(`grads.${file}.safetensors`)) assertGradients(step, own.gradients(file));
      }
    });
  }

  for (const term of ["nll", "margin", "node"] as const) {
    test(`${name}: the gradients of ${term} alone are PyTorch's`, async () => {
      const loss = { ...own.losses("live")[term], weight: 1 };
      const step = await stepOf(own, { ...NONE, [term]: loss });
      const result = await step.run(own.batch("directed"), "train");
      assert.equal(result.total, result[term]);
      const others = (["nll", "margin", "node"] as const).filter((other) => other !== term);
      for (const other of others) assert.equal(result[other], 0);
      // PyTorch isolated the losses with their weights.
      const weight = own.losses("live")[term].weight;
      const weighted = [...own.gradients(`only-${term}`)].map(
        ([key, values]) => [key, values.map((value) => value / (term === "margin" ? 1 : weight))] as const,
      );
      assertGradients(step, new Map(weighted));
    });
  }

  test(`${name}: what is computed a second time is the same, with dropout too`, async () => {
    const lora = { ...own.lora, targets: LORA_TARGETS, dropout: 0.3 };
    const [kept, again] = [
      await stepOf(own, own.losses("live"), lora),
      await stepOf(own, own.losses("live"), lora, true),
    ];
    const expected = await kept.run(own.batch("directed"), "train", { dropoutSeed: 7 });
    assert.deepEqual(await again.run(own.batch("directed"), "train", { dropoutSeed: 7 }), expected);
    assert.ok([...kept.gradients.values()].some((values) => !isZero(values)));
    for (const [key, values] of kept.gradients) {
      if (isZero(values)) continue;
      const found = again.gradients.get(key);
      assert.ok(found);
      assert.ok(relativeError(found, values) < 1e-6, `${key}: off by ${relativeError(found, values)}`);
    }
  });

  test(`${name}: live node features give every adapter a gradient, frozen ones exactly none`, async () => {
    const { node } = own.losses("live");
    const adapters = ({ gradients }: TrainingStep): Float32Array[] =>
      [...gradients].filter(([key]) => key.startsWith("base_model.")).map(([, values]) => values);
    const live = await stepOf(own, { ...NONE, node });
    await live.run(own.batch("directed"), "train");
    assert.ok(adapters(live).length > 0 && adapters(live).every((values) => !isZero(values)));
    const frozen = await stepOf(own, { ...NONE, node: { ...node, features: "frozen" } });
    await frozen.run(own.batch("directed"), "train");
    assert.equal(adapters(frozen).length, adapters(live).length);
    assert.ok(adapters(frozen).every(isZero));
    assert.ok(!isZero(frozen.gradients.get("gcn.0.weight") ?? new Float32Array()));
  });
}

const llama = new TrainingFixture("tiny-llama");

test("batches with the counts of all add up to the whole", async () => {
  const step = await stepOf(llama, llama.losses("live"));
  const whole = llama.batch("directed");
  const expected = await step.run(whole, "train");
  const gradients = copied(step.gradients);
  const sums = new Map([...gradients].map(([key, values]) => [key, new Float32Array(values.length)]));
  let total = 0;
  for (const index of llama.graphs.mags.keys()) {
    const part = await step.run(llama.batch("directed", [index]), "train", { counts: countsOf(whole) });
    total += part.total;
    for (const [key, sum] of sums) add(sum, step.gradients.get(key)!, 1);
  }
  assert.ok(Math.abs(total - expected.total) < 1e-5);
  for (const [key, values] of gradients) assert.ok(relativeError(sums.get(key)!, values) < 1e-5, key);
});

/** The same rows with `more` columns of padding. */
function widened(batch: StepBatch, more: number): StepBatch {
  const columns = batch.columns + more;
  const spread = <T extends BigInt64Array | Float32Array>(from: T, to: T): T => {
    for (let row = 0; row < batch.rows; row++) {
      for (let t = 0; t < batch.columns; t++) to[row * columns + t] = from[row * batch.columns + t]!;
    }
    return to;
  };
  return {
    ...batch,
    columns,
    tokenIds: spread(batch.tokenIds, new BigInt64Array(batch.rows * columns).fill(2n)),
    poolingWeights: spread(batch.poolingWeights, new Float32Array(batch.rows * columns)),
    labelPositions: batch.labelPositions.map((at) => {
      const old = BigInt(batch.columns);
      return (at / old) * BigInt(columns) + (at % old);
    }),
  };
}

test("padding changes neither a loss nor a gradient", async () => {
  const step = await stepOf(llama, llama.losses("live"));
  const batch = llama.batch("directed");
  const expected = await step.run(batch, "train");
  const gradients = copied(step.gradients);
  const found = await step.run(widened(batch, 9), "train");
  assert.ok(Math.abs(found.total - expected.total) < 1e-6);
  for (const [key, values] of gradients)
    assert.ok(relativeError(step.gradients.get(key)!, values) < 1e-5, key);
});

test("a batch without labels and pairs has those losses zero, and no gradient is NaN", async () => {
  const step = await stepOf(llama, llama.losses("live"));
  const none = new BigInt64Array(0);
  const result = await step.run(
    { ...llama.batch("directed"), labelPositions: none, labelIds: none, pairs: none },
    "train",
  );
  assert.equal(result.nll, 0);
  assert.equal(result.margin, 0);
  assert.ok(result.node > 0);
  for (const [key, values] of step.gradients) assert.ok(values.every(Number.isFinite), key);
});

test("rows that are no nodes stay out of the node loss", async () => {
  const step = await stepOf(llama, { ...NONE, node: llama.losses("live").node });
  const batch = llama.batch("directed", [0]);
  const every = await step.run(batch, "validate");
  const few = { ...batch, nodeLabels: batch.nodeLabels.map((label, row) => (row < 3 ? label : -1n)) };
  const some = await step.run(few, "validate");
  assert.equal(some.counts.nodes, 3);
  assert.notEqual(some.node, every.node);
  const others = { ...batch, nodeLabels: batch.nodeLabels.map((label, row) => (row < 3 ? -1n : label)) };
  const rest = await step.run(others, "validate");
  assert.ok(Math.abs((some.node * 3 + rest.node * 3) / 6 - every.node) < 1e-6);
});

test("dropout: the same seed gives the same gradients, another others, and validation has none", async () => {
  const lora = { ...llama.lora, dropout: 0.25 };
  const step = await stepOf(llama, llama.losses("live"), lora);
  const batch = llama.batch("directed");
  const plain = await step.run(batch, "validate");
  assertLosses(llama, "directed/live", { ...plain });
  const first = await step.run(batch, "train", { dropoutSeed: 5 });
  const gradients = copied(step.gradients);
  const other = await step.run(batch, "train", { dropoutSeed: 6 });
  assert.notEqual(other.total, first.total);
  assert.notEqual(first.total, plain.total);
  assert.deepEqual(await step.run(batch, "train", { dropoutSeed: 5 }), first);
  assert.deepEqual(copied(step.gradients), gradients);
});

test("dropout gives on average what is learnt without it", async () => {
  const { nll } = llama.losses("live");
  const batch = llama.batch("directed");
  const exact = await stepOf(llama, { ...NONE, nll });
  await exact.run(batch, "train");
  const step = await stepOf(llama, { ...NONE, nll }, { ...llama.lora, dropout: 0.3 });
  const key = "base_model.model.model.layers.1.self_attn.v_proj.lora_B.weight";
  const mean = new Float32Array(step.gradients.get(key)!.length);
  const runs = 60;
  for (let seed = 0; seed < runs; seed++) {
    await step.run(batch, "train", { dropoutSeed: seed });
    add(mean, step.gradients.get(key)!, 1 / runs);
  }
  const error = relativeError(mean, exact.gradients.get(key)!);
  // Without the factor 1 / (1 - 0.3) it would be 0.3.
  assert.ok(error < 0.2, `the mean of ${runs} runs is off by ${error}`);
});

test("the noise's bits are uniform, and each seed's are its own", () => {
  const bits = new Int32Array(40_000);
  fillNoise(bits, 1);
  for (let bit = 0; bit < 32; bit++) {
    const set = bits.reduce((count, value) => count + ((value >>> bit) & 1), 0);
    assert.ok(Math.abs(set / bits.length - 0.5) < 0.015, `bit ${bit} is set in ${set} of ${bits.length}`);
  }
  const next = new Int32Array(40_000);
  fillNoise(next, 2);
  const equal = bits.reduce((count, value, at) => count + (value === next[at] ? 1 : 0), 0);
  assert.ok(equal < 3);
});

test("adapters on all seven modules: small steps against the gradient lower the loss as it says", async () => {
  const lora = { rank: 4, scale: 2, targets: LORA_TARGETS, dropout: 0 };
  const step = await stepOf(llama, llama.losses("live"), lora);
  const values = [...step.parameters].filter(([key]) => key.startsWith("base_model."));
  const bits = new Int32Array(4096);
  values.forEach(([, parameter], index) => {
    fillNoise(bits, index);
    parameter.forEach((_, at) => {
      parameter[at] = (bits[at]! / 2 ** 31) * 0.1;
    });
  });
  const batch = llama.batch("directed");
  await step.run(batch, "train");
  // Against each module's own gradient, so that none can hide behind the others.
  for (const [key, parameter] of step.parameters) {
    const gradient = step.gradients.get(key)!.slice();
    const before = parameter.slice();
    const norm = Math.hypot(...gradient);
    assert.ok(norm > 0, `${key} has a gradient`);
    const move = async (by: number): Promise<number> => {
      parameter.forEach((_, at) => {
        parameter[at] = before[at]! + (by * gradient[at]!) / norm;
      });
      return (await step.run(batch, "validate")).total;
    };
    const slope = ((await move(0.02)) - (await move(-0.02))) / 0.04;
    parameter.set(before);
    assert.ok(Math.abs(slope - norm) < 0.05 * norm + 2e-4, `${key}: slope ${slope}, gradient ${norm}`);
  }
});

test("a closed step runs no more, and its files are gone", async () => {
  const before = readdirSync(scratch).length;
  const step = await stepOf(llama, llama.losses("live"));
  assert.equal(readdirSync(scratch).length, before + 1);
  step.close();
  step.close();
  assert.equal(readdirSync(scratch).length, before);
  await assert.rejects(step.run(llama.batch("directed"), "train"), /closed/);
});
