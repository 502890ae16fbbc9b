import assert from "node:assert/strict";
import { test } from "node:test";
import { sampleRandom, splitmix64, Xoshiro128 } from "../../src/engine/random.ts";

test("splitmix64 gives the reference's numbers", () => {
  const zero = splitmix64(0n);
  assert.deepEqual(
    [zero(), zero(), zero(), zero()],
    [0xe220a8397b1dcdafn, 0x6e789e6aa1b965f4n, 0x06c45d188009454fn, 0xf88bb8a8724c81ecn],
  );
  const seeded = splitmix64(1234567n);
  assert.deepEqual(
    [seeded(), seeded(), seeded()],
    [6457827717110365317n, 3203168211198807973n, 9817491932198370423n],
  );
});

test("xoshiro128** gives the reference's numbers", () => {
  const generator = new Xoshiro128(1, 2, 3, 4);
  const expected = [
    11520, 0, 5927040, 70819200, 2031721883, 1637235492, 1287239034, 3734860849, 3729100597, 4258142804,
  ];
  assert.deepEqual(
    expected.map(() => generator.nextUint32()),
    expected,
  );
});

test("floats have 53 bits in [0, 1) and an even spread", () => {
  const generator = sampleRandom(7, 0);
  const tenths = new Array<number>(10).fill(0);
  let fine = 0;
  for (let draw = 0; draw < 20_000; draw++) {
    const value = generator.nextFloat();
    assert.ok(value >= 0 && value < 1);
    assert.equal((value * 2 ** 53) % 1, 0);
    if ((value * 2 ** 32) % 1 !== 0) fine++;
    tenths[Math.floor(value * 10)]!++;
  }
  assert.ok(fine > 19_000, "most values use more than 32 bits");
  for (const count of tenths) assert.ok(Math.abs(count - 2000) < 200, `${tenths}`);
});

test("samples of one seed, and the same sample of near seeds, have different numbers", () => {
  const seen = new Set<number>();
  for (const seed of [0, 1, 2, 2 ** 32, 2 ** 53 - 1]) {
    for (let index = 0; index < 64; index++) {
      const generator = sampleRandom(seed, index);
      for (let draw = 0; draw < 10; draw++) seen.add(generator.nextFloat());
    }
  }
  assert.equal(seen.size, 5 * 64 * 10);
  assert.equal(sampleRandom(42, 3).nextFloat(), sampleRandom(42, 3).nextFloat());
});
