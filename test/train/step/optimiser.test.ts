import assert from "node:assert/strict";
import { test } from "node:test";
import { MagdiError } from "../../../src/base/errors.ts";
import { AdamW, clipGlobalNorm, globalNorm } from "../../../src/train/step/optimiser.ts";

const arrays = (...values: readonly number[]): Map<string, Float32Array> =>
  new Map([["w", Float32Array.from(values)]]);

const close = (found: ArrayLike<number>, expected: readonly number[], within: number): void => {
  assert.equal(found.length, expected.length);
  for (const [index, value] of expected.entries()) {
    assert.ok(
      Math.abs(found[index]! - value) <= within,
      `${index}: expected ${value}, found ${found[index]}`,
    );
  }
};

test("two steps by hand: decay apart from the gradient, and both means corrected for their start", () => {
  const parameters = arrays(1, -2, 0.5);
  const optimiser = new AdamW(parameters, { learningRate: 0.1, weightDecay: 0.5, epsilon: 1e-8 });
  optimiser.step(arrays(0.25, -4, 0));
  // After one step the corrected means are the gradient itself: η·sign(g), and 1 − η·λ = 0.95 of what was there.
  close(parameters.get("w")!, [0.95 - 0.1, -1.9 + 0.1, 0.475], 1e-6);
  optimiser.step(arrays(0.5, 0, 0));
  const mean = (0.9 * (0.1 * 0.25) + 0.1 * 0.5) / (1 - 0.9 ** 2);
  const square = (0.999 * (0.001 * 0.0625) + 0.001 * 0.25) / (1 - 0.999 ** 2);
  const second = (0.9 * 0.1 * -4) / (1 - 0.9 ** 2) / Math.sqrt((0.999 * 0.001 * 16) / (1 - 0.999 ** 2));
  close(
    parameters.get("w")!,
    [0.85 * 0.95 - (0.1 * mean) / Math.sqrt(square), -1.8 * 0.95 - 0.1 * second, 0.475 * 0.95],
    1e-6,
  );
});

test("a parameter may have a learning rate of its own, for its decay too", () => {
  const at = (learningRate: (key: string) => number): number => {
    const parameters = arrays(1);
    new AdamW(parameters, { learningRate, weightDecay: 0.5 }).step(arrays(3));
    return parameters.get("w")![0]!;
  };
  close([at(() => 0.1), at((key) => (key === "w" ? 0.05 : 0.1))], [0.95 - 0.1, 0.975 - 0.05], 1e-6);
});

test("a parameter with a learning rate of zero is left alone, whatever would be divided", () => {
  const parameters = new Map([
    ["w", Float32Array.of(1)],
    ["fixed", Float32Array.of(3)],
  ]);
  const learningRate = (key: string): number => (key === "w" ? 1 : 0);
  const optimiser = new AdamW(parameters, { epsilon: 0, weightDecay: 0.5, learningRate });
  const gradients = new Map([
    ["w", Float32Array.of(2)],
    ["fixed", Float32Array.of(0)],
  ]);
  optimiser.step(gradients, 0.1);
  assert.ok(parameters.get("w")![0]! < 1);
  assert.equal(parameters.get("fixed")![0], 3);
});

test("a learning rate factor of zero changes nothing, and no gradient leaves a parameter alone", () => {
  const parameters = new Map([
    ["w", Float32Array.of(1)],
    ["idle", Float32Array.of(3)],
  ]);
  const optimiser = new AdamW(parameters, { learningRate: 1, weightDecay: 0.5 });
  optimiser.step(arrays(2), 0);
  assert.deepEqual(
    [...parameters.values()].map(([value]) => value),
    [1, 3],
  );
  optimiser.step(arrays(2), 0.1);
  assert.ok(parameters.get("w")![0]! < 1);
  assert.equal(parameters.get("idle")![0], 3);
});

test("gradients are scaled to the norm over all of them, and only down", () => {
  const gradients = new Map([
    ["a", Float32Array.of(3, 0)],
    ["b", Float32Array.of(0, -4)],
  ]);
  assert.equal(clipGlobalNorm(gradients, 6), 5);
  assert.deepEqual([...gradients.get("a")!], [3, 0]);
  assert.equal(clipGlobalNorm(gradients, 1), 5);
  assert.ok(Math.abs(globalNorm(gradients) - 1) < 1e-6);
  close(gradients.get("b")!, [0, -0.8], 1e-6);
  const broken = arrays(Number.NaN, 7);
  assert.ok(Number.isNaN(clipGlobalNorm(broken, 1)));
  assert.equal(broken.get("w")![1], 7);
});

test("three steps, a restored state and three more are six steps, bit for bit", () => {
  const gradientOf = (step: number) => arrays(Math.sin(step), step * 1e-4, -0.3 / (step + 1));
  const whole = arrays(0.1, 0.2, 0.3);
  const uninterrupted = new AdamW(whole);
  for (let step = 0; step < 6; step++) uninterrupted.step(gradientOf(step));
  const parts = arrays(0.1, 0.2, 0.3);
  const first = new AdamW(parts);
  for (let step = 0; step < 3; step++) first.step(gradientOf(step));
  const saved = first.state();
  const kept = new Map([...parts].map(([key, values]) => [key, values.slice()]));
  // What is done to the optimiser afterwards is not in the state.
  first.step(gradientOf(99));
  const second = new AdamW(kept);
  second.restore(saved);
  for (let step = 3; step < 6; step++) second.step(gradientOf(step));
  assert.deepEqual(kept, whole);
  assert.deepEqual(second.state(), uninterrupted.state());
});

test("a state of other parameters is refused, naming each", () => {
  const optimiser = new AdamW(arrays(1, 2));
  const other = new Map([["v", new Float32Array(2)]]);
  assert.throws(
    () => optimiser.restore({ step: 1, mean: other, square: other }),
    (error) =>
      error instanceof MagdiError &&
      error.code === "MAGDI_BAD_FILE" &&
      /w: expected 2 values, found none; v: not a parameter/.test(error.message),
  );
});
