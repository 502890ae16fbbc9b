// What of a given memory is taken for what: for the student that ships, for large and small ones, at all limits.

import assert from "node:assert/strict";
import { test } from "node:test";
import { MagdiError } from "../../src/base/errors.ts";
import {
  describePlan,
  type MemoryNeeds,
  type MemoryPlan,
  type MemoryWishes,
  planMemory,
} from "../../src/engine/memory-plan.ts";
import { rowCost } from "../../src/engine/row-memory.ts";

const MIB = 2 ** 20;
const GIB = 2 ** 30;
/** The student that ships, in q4. */
const SMOL: MemoryNeeds = {
  weightBytes: 98_673_920,
  tokenBytes: 30 * 2 * 3 * 64 * 4,
  pageTokens: 16,
  heads: 9,
  hiddenSize: 576,
  intermediateSize: 1536,
  vocabSize: 49_152,
  positions: 8192,
  prefillChunkTokens: 128,
};
/** 1.7 thousand million weights in q4, with many keys. */
const LARGE: MemoryNeeds = {
  ...SMOL,
  weightBytes: 1_100_000_000,
  tokenBytes: 24 * 2 * 32 * 64 * 4,
  heads: 32,
  hiddenSize: 2048,
  intermediateSize: 8192,
};
/** magdi serve's own. */
const DEFAULTS: MemoryWishes = {
  batchRows: 32,
  contextLength: null,
  prefixCacheTokens: null,
  bodyBufferBytes: null,
  answerBufferBytes: null,
  bodyLimitBytes: MIB,
};

const plan = (bytes: number, needs = SMOL, wishes: Partial<MemoryWishes> = {}): MemoryPlan =>
  planMemory({ bytes, boundedBy: "a limit" }, needs, { ...DEFAULTS, ...wishes });
const takenBytes = ({ bytes }: MemoryPlan): number => Object.values(bytes).reduce((a, b) => a + b, 0);

function refusal(bytes: number, needs = SMOL, wishes: Partial<MemoryWishes> = {}): string {
  try {
    plan(bytes, needs, wishes);
  } catch (error) {
    assert.ok(error instanceof MagdiError && error.code === "MAGDI_BAD_CONFIG", String(error));
    return error.message;
  }
  return assert.fail(`${bytes} bytes were enough`);
}

test("with memory for all rows nothing is bounded", () => {
  const { rowBudget, contextLength, batchRows, prefixCacheTokens } = plan(16 * GIB);
  assert.deepEqual([rowBudget, contextLength, batchRows, prefixCacheTokens], [null, 4096, 32, 2048]);
});

test("at 1, 2 and 4 GiB rows keep the whole context and share what there is, more with each", () => {
  let before = 0;
  for (const gibibytes of [1, 2, 4]) {
    const { rowBudget, contextLength, batchRows } = plan(gibibytes * GIB);
    assert.deepEqual([contextLength, batchRows], [4096, 32]);
    assert.ok(rowBudget !== null && rowBudget.tokens > 2 * before, `${rowBudget?.tokens}`);
    before = rowBudget.tokens;
  }
});

test("whatever the limit: what is taken is there, a full row fits, or the start is refused", () => {
  let accepted = 0;
  for (const needs of [SMOL, LARGE, { ...SMOL, pageTokens: null }, { ...SMOL, pageTokens: 256 }]) {
    for (let bytes = 100 * MIB; bytes < 64 * GIB; bytes *= 1.17) {
      for (const contextLength of [null, 16, 300, 4096, 8192]) {
        for (const prefixCacheTokens of [null, 0, 100, 20_000]) {
          for (const batchRows of [2, 32, 1024]) {
            let made: MemoryPlan;
            try {
              made = plan(bytes, needs, { contextLength, prefixCacheTokens, batchRows });
            } catch (error) {
              assert.ok(error instanceof MagdiError);
              continue;
            }
            accepted++;
            assert.ok(takenBytes(made) <= bytes, `${takenBytes(made)} of ${bytes}`);
            assert.ok(made.contextLength <= needs.positions);
            if (contextLength !== null) assert.equal(made.contextLength, contextLength);
            if (prefixCacheTokens !== null) assert.equal(made.prefixCacheTokens, prefixCacheTokens);
            const row = rowCost(made.contextLength, needs.pageTokens ?? 1);
            const rows = made.bytes.rows / needs.tokenBytes;
            if (made.rowBudget === null) assert.ok(rows >= (made.batchRows + 1) * row);
            else {
              assert.equal(made.batchRows, batchRows);
              assert.ok(made.rowBudget.tokens >= row && rows >= made.rowBudget.tokens + row);
            }
            assert.ok(made.batchRows >= 2);
          }
        }
      }
    }
  }
  assert.ok(accepted > 1000, `${accepted}`);
});

test("more memory never gives less", () => {
  let before = { contextLength: 0, tokens: 0 };
  for (let bytes = 500 * MIB; bytes < 10 * GIB; bytes += 50 * MIB) {
    const { contextLength, rowBudget } = plan(bytes);
    const tokens = rowBudget?.tokens ?? Number.POSITIVE_INFINITY;
    assert.ok(contextLength >= before.contextLength, `${bytes}`);
    if (contextLength === before.contextLength) assert.ok(tokens >= before.tokens, `${bytes}`);
    before = { contextLength, tokens };
  }
  assert.equal(before.tokens, Number.POSITIVE_INFINITY);
});

test("a short memory shortens the default context; far too little is refused with numbers and remedies", () => {
  const short = plan(560 * MIB);
  assert.ok(short.contextLength >= 512 && short.contextLength < 4096, `${short.contextLength}`);
  assert.match(
    refusal(256 * MIB),
    /^memory: expected at least \d+ MB for 99 MB of weights, \d+ MB of keys and values \(a prompt and a sample of 512 tokens\) and \d+ MB of everything else, found 268 MB \(a limit\); give it more, or choose a smaller dtype or student$/,
  );
});

test("an explicit setting that does not fit is refused, and what the refusal proposes is then taken", () => {
  const message = refusal(1 * GIB, SMOL, { contextLength: 8192 });
  const [, longest] = /choose context-length (\d+), a smaller dtype/.exec(message) ?? [];
  assert.ok(Number(longest) > 4096, message);
  assert.equal(plan(1 * GIB, SMOL, { contextLength: Number(longest) }).contextLength, Number(longest));
  refusal(1 * GIB, SMOL, { contextLength: Number(longest) + 16 });
  const [, need] = /expected at least (\d+) MB/.exec(message) ?? [];
  assert.ok(Number(need) > 1074, message);

  assert.match(
    refusal(1 * GIB, SMOL, { prefixCacheTokens: 20_000 }),
    /922 MB of prefix cache.*smaller prefix-/,
  );
  assert.equal(plan(1 * GIB, SMOL, { prefixCacheTokens: 3000, contextLength: 1024 }).prefixCacheTokens, 3000);
  // Logits for a thousand rows take more than there is.
  refusal(1 * GIB, SMOL, { batchRows: 1024 });
});

test("bodies that arrive and answers that nobody reads are part of it, and those that cannot fit are refused", () => {
  for (const [bytes, each] of [
    [512 * MIB, 8_388_608],
    [GIB, 16_777_216],
    [4 * GIB, 67_108_864],
    [64 * GIB, 67_108_864],
  ] as const) {
    const { bodies, unread_answers } = plan(bytes).bytes;
    assert.deepEqual([bodies, unread_answers], [each, each]);
  }
  const given = plan(2 * GIB, SMOL, {
    bodyBufferBytes: 100e6,
    answerBufferBytes: 200e6,
    bodyLimitBytes: 20e6,
  });
  assert.deepEqual([given.bytes.bodies, given.bytes.unread_answers], [100e6, 200e6]);
  assert.ok(given.bytes.requests >= 320e6, "what is made of the largest body");
  assert.ok(
    (given.rowBudget?.tokens ?? 0) < (plan(2 * GIB).rowBudget?.tokens ?? 0) - 300e6 / SMOL.tokenBytes,
  );
  // Two bodies of the largest size, whatever the buffer.
  assert.equal(plan(2 * GIB, SMOL, { bodyLimitBytes: 20e6 }).bytes.bodies, 40e6);
  assert.match(
    refusal(GIB, SMOL, { bodyBufferBytes: 800e6 }),
    /or choose a smaller body-buffer-bytes, a smaller dtype/,
  );
  assert.match(
    refusal(GIB, SMOL, { answerBufferBytes: 800e6 }),
    /choose a smaller answer-buffer-bytes, a smaller dtype/,
  );
  assert.match(
    refusal(GIB, SMOL, { bodyLimitBytes: 60e6 }),
    /choose a smaller body-limit-bytes, a smaller dtype/,
  );
  // A program without a server sets nothing aside for them.
  const { bodies, unread_answers } = planMemory({ bytes: GIB, boundedBy: "a limit" }, SMOL, {
    batchRows: 32,
    contextLength: null,
    prefixCacheTokens: null,
  }).bytes;
  assert.deepEqual([bodies, unread_answers], [0, 0]);
});

test("where no pages can be given back, fewer rows are full at once", () => {
  const { batchRows, rowBudget, contextLength } = plan(2 * GIB, { ...SMOL, pageTokens: null });
  assert.deepEqual([rowBudget, contextLength], [null, 4096]);
  assert.ok(batchRows >= 2 && batchRows < 32, `${batchRows}`);
});

test("on a device the host holds no keys and values", () => {
  const { rowBudget, bytes, prefixCacheTokens } = plan(600 * MIB, { ...SMOL, tokenBytes: 0 });
  assert.deepEqual([rowBudget, bytes.rows, bytes.scratch, prefixCacheTokens], [null, 0, 0, 2048]);
});

test("a plan says in one line what it took", () => {
  assert.match(
    describePlan(plan(2 * GIB)),
    /^2147 of 2147 MB \(a limit\) for 32 rows of at most 4096 tokens, which share \d+, 2048 tokens of prefix cache, 99 MB of weights, 134 MB of log-probabilities$/,
  );
  assert.match(describePlan(plan(16 * GIB)), /for 32 rows of 4096 tokens each, 2048 tokens/);
});
