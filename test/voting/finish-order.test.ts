import assert from "node:assert/strict";
import { test } from "node:test";
import { sampleRandom } from "../../src/engine/random.ts";
import { FinishOrder } from "../../src/voting/finish-order.ts";

/** Plays samples of these lengths in a schedule of steps; a step lists the samples that get a token, by index. */
function play(
  lengths: readonly number[],
  nextStep: (alive: readonly number[]) => readonly number[],
): number[] {
  const order = new FinishOrder<number>(lengths.length);
  const tokens = lengths.map(() => 0);
  const released: number[] = [];
  for (;;) {
    const alive = [...lengths.keys()].filter((index) => tokens[index]! < lengths[index]!);
    if (alive.length === 0) return released;
    for (const index of nextStep(alive)) {
      tokens[index]! += 1;
      released.push(...order.advanced(index));
      if (tokens[index] === lengths[index]) released.push(...order.finished(index, tokens[index]!, index));
    }
  }
}

const byLength = (lengths: readonly number[]): number[] =>
  [...lengths.keys()].sort((a, b) => lengths[a]! - lengths[b]! || a - b);

test("samples are counted by length and index, whatever they waited for", () => {
  const random = sampleRandom(7, 0);
  const below = (limit: number): number => Math.floor(random.nextFloat() * limit);
  for (let round = 0; round < 500; round++) {
    const lengths = Array.from({ length: 1 + below(8) }, () => 1 + below(6));
    const expected = byLength(lengths);
    assert.deepEqual(
      play(lengths, (alive) => alive),
      expected,
    );
    const late = play(lengths, (alive) => {
      const chosen = alive.filter(() => below(3) > 0);
      return chosen.length > 0 ? chosen : alive.slice(0, 1);
    });
    assert.deepEqual(late, expected);
  }
});

test("in step, a sample is counted the moment it ends", () => {
  const order = new FinishOrder<string>(3);
  for (const index of [0, 1, 2]) assert.deepEqual(order.advanced(index), []);
  assert.deepEqual(order.advanced(0), []);
  assert.deepEqual(order.advanced(1), []);
  assert.deepEqual(order.finished(1, 2, "second"), ["second"]);
});

test("a stopped sample is not waited for, and the rest comes out in order", () => {
  const order = new FinishOrder<string>(3);
  order.advanced(2);
  order.advanced(2);
  assert.deepEqual(order.finished(2, 2, "long"), []);
  order.advanced(1);
  assert.deepEqual(
    order.finished(1, 1, "short"),
    [],
    "the first sample has no token yet, and might end with one",
  );
  assert.deepEqual(order.withdrawn(0), ["short", "long"]);
  const other = new FinishOrder<string>(2);
  other.advanced(1);
  other.advanced(1);
  assert.deepEqual(other.finished(1, 2, "held"), []);
  assert.deepEqual(other.rest(), ["held"]);
  assert.deepEqual(other.rest(), []);
});
