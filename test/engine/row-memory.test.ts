// What decode rows hold together never exceeds their budget, and rows give back only what is needed.

import assert from "node:assert/strict";
import { test } from "node:test";
import { sampleRandom } from "../../src/engine/random.ts";
import { RowMemory, rowCost } from "../../src/engine/row-memory.ts";
import { alone, Ear, rejection, SAMPLED, toyEngine, toyRequest } from "../support/toy-engine.ts";

test("a row takes whole pages, and one more for its ends", () => {
  assert.deepEqual([rowCost(1, 16), rowCost(16, 16), rowCost(17, 16)], [32, 32, 48]);
});

test("rows that end and come leave no more behind than the budget, in any order", () => {
  for (let seed = 0; seed < 40; seed++) {
    const random = sampleRandom(seed, 0);
    const below = (count: number) => Math.floor(random.nextFloat() * count);
    const rows = 2 + below(6);
    const pageTokens = 1 + below(8);
    const longest = 20 + below(80);
    const budget = { tokens: rowCost(longest, pageTokens) + below(200), pageTokens };
    /** What rows have written to, as the system would count it. */
    const touched: number[] = new Array(rows).fill(0);
    const promised: number[] = new Array(rows).fill(0);
    const memory = new RowMemory(rows, budget, (row, from) => {
      assert.ok(promised[row]! <= from, "nothing is given back that a sequence may read");
      touched[row] = Math.min(touched[row]!, from);
    });
    let taken = 0;
    let grown = 0;
    for (let turn = 0; turn < 300; turn++) {
      const tokens = 1 + below(longest);
      const count = promised.filter((promise) => promise > 0).length;
      if (count < rows && memory.hasRoom(tokens)) {
        promised[count] = tokens;
        memory.take(count, tokens);
        touched[count] = Math.max(touched[count]!, tokens);
        taken++;
      } else if (count > 0 && below(2) === 0) {
        const row = below(count);
        const longer = Math.min(longest, promised[row]! + below(20));
        if (memory.grow(row, longer)) {
          promised[row] = longer;
          touched[row] = Math.max(touched[row]!, longer);
          grown++;
        }
        assert.equal(memory.promisedTo(row), promised[row]);
      } else if (count > 0) {
        // As the batch does: the last row moves into the one that has ended.
        const [ended, last] = [below(count), count - 1];
        if (ended === last) memory.free(last);
        else {
          touched[ended] = Math.max(touched[ended]!, promised[last]!);
          touched[last] = 0;
          memory.move(last, ended);
          promised[ended] = promised[last]!;
        }
        promised[last] = 0;
      }
      let sum = 0;
      for (const held of touched) if (held > 0) sum += rowCost(held, pageTokens);
      assert.ok(sum <= budget.tokens, `seed ${seed}: ${sum} of ${budget.tokens}`);
    }
    assert.ok(taken > 20 && grown > 20, `${taken} ${grown}`);
    assert.ok(memory.hasRoom(longest) || promised.some((promise) => promise > 0), "a full row fits alone");
  }
});

test("while there is memory for all, nothing is given back", () => {
  const memory = new RowMemory(2, null, () => assert.fail("given back"));
  memory.take(0, 1e9);
  memory.free(0);
  assert.ok(memory.hasRoom(1e9));
});

test("short rows are not given back while they fit", () => {
  const memory = new RowMemory(4, { tokens: 200, pageTokens: 1 }, () => assert.fail("given back"));
  for (let turn = 0; turn < 20; turn++) {
    for (let row = 0; row < 4; row++) memory.take(row, 40);
    for (let row = 3; row >= 0; row--) memory.free(row);
  }
});

test("samples wait for memory, though there are rows, and all are answered", async () => {
  const rowBudget = { tokens: rowCost(64, 8), pageTokens: 8 };
  const { engine, runner } = toyEngine({ maxRows: 8, contextLength: 64 }, { rowBudget });
  let mostRows = 0;
  runner.duringStep = ({ rows }) => {
    mostRows = Math.max(mostRows, rows);
    assert.ok(runner.heldTokens(8) <= rowBudget.tokens);
  };
  const long = engine.submit(toyRequest({ samples: 5, sampling: { maxTokens: 61, seed: 3 } }), new Ear());
  const short = engine.submit(toyRequest({ samples: 8, sampling: { maxTokens: 4, seed: 4 } }), new Ear());
  const [first, second] = await Promise.all([long.done, short.done]);
  assert.deepEqual([first.samples.length, second.samples.length], [5, 8]);
  assert.ok(first.samples.every(({ tokenIds }) => tokenIds.length === 61));
  // 3 tokens of prompt and 4 more are one page, with one for the ends: four rows of 72 tokens' memory, not eight.
  assert.equal(mostRows, 4);
  await engine.close();
});

test("a sample that was cancelled while it waited for memory leaves the prompt row to the next request", async () => {
  const rowBudget = { tokens: rowCost(64, 8), pageTokens: 8 };
  const { engine, clock } = toyEngine({ maxRows: 8, contextLength: 64 }, { rowBudget });
  const long = engine.submit(toyRequest({ samples: 3, sampling: { maxTokens: 61 } }), {
    onToken({ sample }) {
      if (sample === 0) long.cancel("cancelled", 2);
    },
  });
  const late = engine.submit(toyRequest({ queueTimeoutMs: 5 }), new Ear());
  clock.advance(10);
  assert.match(String(await rejection(late)), /waited longer than 5 ms/);
  const { samples } = await long.done;
  assert.deepEqual(
    samples.map(({ finishReason }) => finishReason),
    ["length", "length", "cancelled"],
  );
  await engine.close();
});

/** Rows of 512 tokens and memory for two of them. */
const CONTEXT = 512;
const TWO_ROWS = { tokens: 2 * rowCost(CONTEXT, 8), pageTokens: 8 };

test("answers whose end is not known run side by side while they are short", async () => {
  const { engine, runner } = toyEngine(
    { maxRows: 8, contextLength: CONTEXT, endEvery: 20 },
    { rowBudget: TWO_ROWS },
  );
  let mostRows = 0;
  runner.duringStep = ({ rows }) => {
    mostRows = Math.max(mostRows, rows);
    assert.ok(runner.heldTokens(8) <= TWO_ROWS.tokens);
  };
  const open = Array.from({ length: 8 }, (_, seed) =>
    engine.submit(toyRequest({ sampling: { ...SAMPLED, maxTokens: CONTEXT, seed } }), new Ear()),
  );
  for (const { done } of open) assert.equal((await done).samples[0]?.finishReason, "stop");
  // 3 tokens of prompt and 128 more, in pages, and as much as that again to grow: four rows, where two full ones fit.
  assert.equal(mostRows, 4);
  assert.equal(engine.stats().preemptions, 0);
  await engine.close();
});

test("answers that outgrow the memory take turns: all end, within the budget, and none differs from one that is alone", async () => {
  const model = { maxRows: 8, contextLength: CONTEXT };
  const { engine, runner } = toyEngine(model, { rowBudget: TWO_ROWS });
  runner.duringStep = () => assert.ok(runner.heldTokens(8) <= TWO_ROWS.tokens);
  const requests = Array.from({ length: 6 }, (_, at) =>
    toyRequest({
      id: `${at}`,
      samples: 1 + (at % 3),
      promptTokens: Int32Array.from({ length: 3 + 40 * at }, (_, position) => 4 + ((at + position) % 30)),
      sampling: { ...SAMPLED, maxTokens: at === 2 ? 5 : CONTEXT, seed: at },
      caller: { name: at < 4 ? "many" : "few", weight: 1 },
    }),
  );
  const results = await Promise.all(requests.map((request) => engine.submit(request, new Ear()).done));
  const { preemptions, recomputedTokens, kvCacheUsageRatio } = engine.stats();
  assert.ok(preemptions > 3, `${preemptions}`);
  const generated = results
    .flatMap(({ samples }) => samples)
    .reduce((sum, { tokenIds }) => sum + tokenIds.length, 0);
  const prompts = requests.reduce((sum, { promptTokens }) => sum + promptTokens.length, 0);
  assert.ok(recomputedTokens < 2 * generated + preemptions * prompts, `${recomputedTokens} of ${generated}`);
  assert.equal(kvCacheUsageRatio, 0);
  for (const [at, request] of requests.entries()) {
    assert.deepEqual(results[at]?.samples, await alone(request, model), `request ${at}`);
  }
  await engine.close();
});

test("a sample that lost its row may be cancelled, and so may the one that took its memory", async () => {
  const { engine } = toyEngine({ maxRows: 8, contextLength: CONTEXT }, { rowBudget: TWO_ROWS });
  const generation = engine.submit(toyRequest({ samples: 4, sampling: { maxTokens: CONTEXT } }), {
    onToken({ sample }) {
      if (sample !== 0 || engine.stats().preemptions === 0) return;
      generation.cancel("cancelled", 3);
      generation.cancel("cancelled", 0);
    },
  });
  const { samples } = await generation.done;
  assert.deepEqual(
    samples.map(({ finishReason }) => finishReason),
    ["cancelled", "length", "length", "cancelled"],
  );
  await engine.close();
});
