import assert from "node:assert/strict";
import { test } from "node:test";
import { learningRateFactor, type Schedule } from "../../../src/train/step/schedule.ts";

test("the learning rate rises in the warm-up and falls as its schedule says", () => {
  const rates = (kind: Schedule["kind"], finalShare = 0): number[] =>
    [0, 1, 2, 6, 10].map((step) =>
      learningRateFactor({ kind, warmupSteps: 2, totalSteps: 10, finalShare }, step),
    );
  const near = (found: number[], expected: number[]): void => {
    for (const [index, value] of found.entries())
      assert.ok(Math.abs(value - expected[index]!) < 1e-12, String(found));
  };
  near(rates("constant"), [0.5, 1, 1, 1, 1]);
  near(rates("linear"), [0.5, 1, 1, 0.5, 0]);
  near(rates("cosine"), [0.5, 1, 1, 0.5, 0]);
  near(rates("cosine", 0.2), [0.5, 1, 1, 0.6, 0.2]);
});
