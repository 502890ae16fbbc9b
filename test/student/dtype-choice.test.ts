import assert from "node:assert/strict";
import { test } from "node:test";
import type { Dtype } from "../../src/student/dtype.ts";
import { chooseDtype, workTime } from "../../src/student/dtype-choice.ts";

const quality = (agreement: number) => ({ agreement, positions: 576, perplexity: 20, perplexityFp32: 19 });
const times = (stepMs: number) => ({ promptMs: 10 * stepMs, stepMs, tenRowStepMs: 3 * stepMs });

/** [agreement, milliseconds of a step] by dtype */
function choose(
  measured: Readonly<Partial<Record<Dtype, readonly [number, number]>>>,
  fits?: (dtype: Dtype) => boolean,
) {
  const entries = Object.entries(measured) as [Dtype, readonly [number, number]][];
  return chooseDtype(
    new Map(entries.map(([dtype, [agreement]]) => [dtype, quality(agreement)])),
    new Map(entries.map(([dtype, [, stepMs]]) => [dtype, times(stepMs)])),
    fits,
  );
}

test("of those that agree enough the fastest is chosen", () => {
  const choice = choose({ q4: [0.98, 5], q8: [0.97, 4], fp32: [1, 8] });
  assert.equal(choice.dtype, "q8");
  assert.match(choice.reason, /the fastest of those that agree with fp32 at 97.0 % of positions or more/);
  assert.deepEqual(choice.measured[1], {
    dtype: "q8",
    agreement: 0.97,
    perplexity: 20,
    promptMs: 40,
    stepMs: 4,
    tenRowStepMs: 12,
  });
});

test("a faster one that agrees too little is left", () => {
  assert.equal(choose({ q4: [0.9699, 1], q8: [0.97, 5], fp32: [1, 8] }).dtype, "q8");
});

test("where none agrees enough, the one that agrees most is chosen", () => {
  const choice = choose({ q4: [0.91, 5], q8: [0.95, 8] });
  assert.equal(choice.dtype, "q8");
  assert.match(choice.reason, /none agrees with fp32 at 97.0 % of positions, and it agrees most/);
});

test("a gain of less than 3 % of the time is none: then the one that agrees more is chosen", () => {
  assert.equal(choose({ q4: [0.97, 5], q8: [0.99, 5.1] }).dtype, "q8");
  assert.equal(choose({ q4: [0.97, 5], q8: [0.99, 5.2] }).dtype, "q4");
  assert.equal(choose({ q4: [0.98, 5.1], q8: [0.98, 5] }).dtype, "q4");
  assert.equal(choose({ q4: [0.9, 5], q8: [0.9, 4] }).dtype, "q4");
});

test("what does not fit is not chosen", () => {
  const choice = choose({ q4: [0.91, 5], q8: [0.99, 8] }, (dtype) => dtype === "q4");
  assert.equal(choice.dtype, "q4");
  assert.match(choice.reason, /none that fits agrees with fp32 at 97.0 % of positions, and it agrees most/);
  assert.equal(choice.measured.length, 2);
});

test("the work is a prompt, 32 steps of one sample and 32 of ten", () => {
  assert.equal(workTime({ promptMs: 100, stepMs: 5, tenRowStepMs: 20 }), 100 + 32 * 25);
});
