import assert from "node:assert/strict";
import { test } from "node:test";
import { expNonPositive } from "../../src/engine/logit-row.ts";
import { sampleRandom } from "../../src/engine/random.ts";

test("the table's exponential is Math.exp's", () => {
  const random = sampleRandom(1, 0);
  for (const [scale, tolerance] of [
    [20, 1e-14],
    [699, 1e-13],
    [1e-9, 1e-14],
  ] as const) {
    for (let draw = 0; draw < 20_000; draw++) {
      const power = -random.nextFloat() * scale;
      const expected = Math.exp(power);
      assert.ok(Math.abs(expNonPositive(power) - expected) <= tolerance * expected, `e^${power}`);
    }
  }
  assert.equal(expNonPositive(0), 1);
  assert.equal(expNonPositive(-0), 1);
  assert.equal(expNonPositive(-1e300), 0);
  assert.equal(expNonPositive(Number.NEGATIVE_INFINITY), 0);
  assert.ok(Number.isNaN(expNonPositive(Number.NaN)));
});
