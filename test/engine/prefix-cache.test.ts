// What is kept of prompts, and for how long: the tree, its bound, its scopes, against the plain list of all that was saved.

import assert from "node:assert/strict";
import { test } from "node:test";
import { BLOCK_TOKENS, PrefixCache, type PromptRow } from "../../src/engine/prefix-cache.ts";
import { SeededRandom } from "../text/seeded-random.ts";

/** Two numbers a token, which tell all tokens before it and the scope: what is loaded for other tokens shows. */
class FakeRow implements PromptRow {
  readonly saved: number[] = [];
  numbers: number[] = [];

  /** Fills the row as a prefill would. */
  compute(scope: string, prompt: Int32Array): void {
    this.numbers = numbersOf(scope, prompt);
  }

  newBlock(tokens: number): Float32Array {
    return new Float32Array(2 * tokens);
  }

  saveTokens(from: number, count: number, block: Float32Array, at: number): void {
    this.saved.push(count);
    assert.ok(count > 0 && from + count <= this.numbers.length && at + count <= BLOCK_TOKENS);
    for (let token = 0; token < count; token++) {
      block[at + token] = this.numbers[from + token]!;
      block[BLOCK_TOKENS + at + token] = -this.numbers[from + token]!;
    }
  }

  loadTokens(from: number, count: number, block: Float32Array): void {
    assert.ok(count > 0 && count <= BLOCK_TOKENS);
    for (let token = 0; token < count; token++) {
      this.numbers[from + token] = block[token]!;
      assert.equal(block[BLOCK_TOKENS + token], -block[token]!);
    }
  }
}

function numbersOf(scope: string, prompt: Int32Array): number[] {
  let hash = [...scope].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) % 65_521, 1);
  return Array.from(prompt, (token) => (hash = (hash * 31 + token + 1) % 65_521));
}

function setUp(capacityTokens: number) {
  const row = new FakeRow();
  const cache = new PrefixCache(row, capacityTokens);
  const save = (prompt: Int32Array, { scope = "", length = prompt.length } = {}) => {
    row.compute(scope, prompt);
    cache.save(scope, prompt, length);
  };
  /** Loads into an empty row, and checks every number of it. */
  const load = (prompt: Int32Array, { scope = "", limit = prompt.length, unit = 1 } = {}) => {
    row.numbers = [];
    const length = cache.load(scope, prompt, limit, unit);
    assert.deepEqual(row.numbers, numbersOf(scope, prompt).slice(0, length));
    return length;
  };
  return { cache, row, save, load };
}

const count = (from: number, length: number) => Int32Array.from({ length }, (_, at) => from + at);
const joined = (...parts: readonly Int32Array[]) => Int32Array.from(parts.flatMap((part) => [...part]));

test("the longest known beginning is loaded, wherever in a block it ends", () => {
  const { cache, save, load } = setUp(1024);
  const instruction = count(100, 41);
  assert.equal(load(instruction), 0);
  save(joined(instruction, count(500, 30)));
  assert.equal(load(instruction), 41);
  assert.equal(load(joined(instruction, count(700, 5))), 41);
  assert.equal(load(joined(instruction, count(500, 7), count(700, 5))), 48);
  assert.equal(load(count(101, 40)), 0, "the same tokens elsewhere are no beginning");
  assert.equal(load(joined(instruction, count(500, 30), count(900, 3))), 71);
  assert.equal(load(instruction.subarray(0, 20)), 20);
  assert.deepEqual(
    [cache.queriedTokens, cache.hitTokens],
    [41 + 41 + 46 + 53 + 40 + 74 + 20, 41 + 41 + 48 + 71 + 20],
  );
});

test("a reuse ends at a whole unit and at the limit", () => {
  const { save, load } = setUp(1024);
  const prompt = count(1, 75);
  save(prompt);
  assert.equal(load(prompt, { limit: 73, unit: 2 }), 72);
  assert.equal(load(prompt, { limit: 73, unit: 64 }), 64);
  assert.equal(load(prompt, { limit: 63, unit: 64 }), 0);
  assert.equal(load(prompt, { limit: -1 }), 0);
});

test("what is known is copied once, and a block that is not full is filled up", () => {
  const { cache, row, save, load } = setUp(1024);
  const prompt = count(1, 60);
  save(prompt, { length: 20 });
  assert.deepEqual(row.saved.splice(0), [16, 4]);
  save(prompt, { length: 50 });
  assert.deepEqual(row.saved.splice(0), [12, 16, 2]);
  assert.equal(cache.heldTokens, 64);
  save(prompt, { length: 50 });
  save(prompt, { length: 7 });
  assert.deepEqual(row.saved, []);
  assert.equal(load(prompt), 50);
  save(joined(count(1, 40), count(900, 3)));
  assert.deepEqual(row.saved, [11], "a block of its own from the last border on");
  assert.equal(load(prompt), 50);
  assert.equal(load(joined(count(1, 40), count(900, 3))), 43);
});

test("the least recently used goes first, and instructions outlive the questions after them", () => {
  const { cache, save, load } = setUp(6 * BLOCK_TOKENS);
  const instruction = count(1, 2 * BLOCK_TOKENS);
  const ask = (number: number) => joined(instruction, count(1000 * number, BLOCK_TOKENS));
  for (const number of [1, 2, 3, 4]) save(ask(number));
  assert.equal(cache.heldTokens, 6 * BLOCK_TOKENS);
  assert.equal(load(ask(1)), 48);
  save(ask(5));
  assert.equal(cache.heldTokens, 6 * BLOCK_TOKENS);
  assert.deepEqual(
    [1, 2, 3, 4, 5].map((number) => load(ask(number))),
    [48, 32, 48, 48, 48],
    "2 was used longest ago",
  );
  for (let number = 6; number < 40; number++) save(ask(number));
  assert.equal(load(instruction), 32);
  for (let number = 6; number < 40; number++) assert.equal(load(ask(number)), number < 36 ? 32 : 48);
});

test("a prompt longer than the cache leaves its beginning there", () => {
  const { cache, save, load } = setUp(4 * BLOCK_TOKENS + 5);
  save(count(5000, 40));
  save(count(1, 1000));
  assert.equal(cache.heldTokens, 64);
  assert.equal(load(count(1, 1000)), 64);
  assert.equal(load(count(5000, 40)), 0);
  save(joined(count(1, 10), count(300, 100)));
  assert.equal(load(joined(count(1, 10), count(300, 100))), 64);
  assert.equal(load(count(1, 1000)), 10);
});

test("scopes see nothing of each other, and share the bound", () => {
  const { cache, save, load } = setUp(3 * BLOCK_TOKENS);
  const prompt = count(1, 20);
  save(prompt, { scope: "ada" });
  assert.equal(load(prompt, { scope: "bob" }), 0);
  assert.equal(load(prompt), 0);
  assert.equal(load(prompt, { scope: "ada" }), 20);
  save(prompt, { scope: "bob" });
  assert.equal(load(prompt, { scope: "bob" }), 20);
  assert.equal(cache.heldTokens, 48);
  assert.equal(load(prompt, { scope: "ada" }), 16, "the older one made room");
  assert.equal(cache.scopes, 2);
  save(count(50, 48), { scope: "cyd" });
  assert.equal(cache.scopes, 1, "nothing stays of a scope whose last block has gone");
});

test("a cache of no block keeps and counts nothing, and takes no memory", () => {
  for (const capacityTokens of [0, BLOCK_TOKENS - 1]) {
    const { cache, row, save, load } = setUp(capacityTokens);
    save(count(1, 40));
    assert.equal(load(count(1, 40)), 0);
    assert.deepEqual([row.saved, cache.heldTokens, cache.queriedTokens, cache.hitTokens], [[], 0, 0, 0]);
  }
});

for (const capacityBlocks of [2, 5, 11, 100_000]) {
  test(`random prompts in ${capacityBlocks} blocks: what is found is right, and all of it where there is room`, () => {
    const random = new SeededRandom(capacityBlocks);
    const { cache, save, load } = setUp(capacityBlocks * BLOCK_TOKENS);
    const known: { readonly scope: string; readonly prompt: Int32Array }[] = [];
    const longestKnown = (scope: string, prompt: Int32Array) => {
      const common = known.map((other) => {
        const end = prompt.findIndex((token, at) => token !== other.prompt[at]);
        return other.scope === scope ? (end < 0 ? prompt.length : end) : 0;
      });
      return Math.max(0, ...common);
    };
    const randomPrompt = () => {
      const start = known[random.below(Math.max(known.length, 1))]?.prompt ?? new Int32Array();
      const kept = start.subarray(0, random.below(start.length + 1));
      return joined(
        kept,
        Int32Array.from({ length: 1 + random.below(40) }, () => random.below(3)),
      );
    };
    let shortened = 0;
    for (let round = 0; round < 1500; round++) {
      const prompt = randomPrompt().subarray(0, 120);
      const scope = ["", "ada"][random.below(2)]!;
      const limit = random.below(prompt.length + 1);
      const expected = Math.min(limit, longestKnown(scope, prompt));
      const found = load(prompt, { scope, limit });
      assert.ok(found <= expected, `round ${round}: ${found} of at most ${expected}`);
      if (capacityBlocks > 1000) assert.equal(found, expected);
      else if (found < expected) shortened++;
      if (random.below(3) === 0) continue;
      const length = random.below(prompt.length + 1);
      save(prompt, { scope, length });
      known.push({ scope, prompt: prompt.subarray(0, length) });
      assert.ok(cache.heldTokens <= capacityBlocks * BLOCK_TOKENS);
      assert.equal(load(prompt, { scope, limit: length }), Math.min(length, capacityBlocks * BLOCK_TOKENS));
    }
    assert.equal(shortened > 0, capacityBlocks < 1000, "evictions happened where they had to");
  });
}
