// Speculation: checked drafts change when tokens come, and nothing else.

import assert from "node:assert/strict";
import { test } from "node:test";
import { type Draft, DraftLookup } from "../../src/engine/draft-lookup.ts";
import { MOST_DRAFTED, Speculation } from "../../src/engine/speculation.ts";
import type { HistoryModelOptions } from "../support/history-model-runner.ts";
import { Ear, GREEDY, SAMPLED, toyEngine, toyRequest } from "../support/toy-engine.ts";

function lookup(...tokens: number[]): DraftLookup {
  const made = new DraftLookup();
  for (const token of tokens) made.push(token);
  return made;
}

test("a draft is what followed the last place where the last tokens stood", () => {
  assert.equal(lookup().draft(3), null);
  assert.equal(lookup(1, 2, 3).draft(3), null, "3 is new");
  assert.deepEqual(lookup(1, 2, 3, 1).draft(2), { tokens: [2, 3], matched: 1 });
  assert.deepEqual(lookup(1, 2, 3, 1).draft(3), { tokens: [2, 3, 1], matched: 1 });
  assert.equal(lookup(1, 2, 3, 1).draft(0), null);
  assert.deepEqual(lookup(1, 2, 3, 1, 2).draft(1), { tokens: [3], matched: 2 });
  assert.deepEqual(lookup(9, 1, 2, 3, 9, 1, 2).draft(1), { tokens: [3], matched: 3 });
  assert.deepEqual(lookup(8, 1, 2, 3, 9, 1, 2).draft(1), { tokens: [3], matched: 2 });
  assert.deepEqual(lookup(1, 2, 3, 1, 2, 4, 1, 2).draft(1), { tokens: [4], matched: 2 }, "the last place");
  assert.deepEqual(
    lookup(1, 2, 5, 2).draft(1),
    { tokens: [5], matched: 1 },
    "one token where two did not stand",
  );
  assert.deepEqual(lookup(7, 7, 7).draft(3), { tokens: [7], matched: 2 });
});

const REPEATING: Partial<HistoryModelOptions> = { maxRows: 4, contextLength: 96, period: 5 };

/** What some requests at once say, and how many steps and accepted tokens that took. */
async function said(speculation: boolean, model: Partial<HistoryModelOptions> = REPEATING) {
  const { engine, runner } = toyEngine({ checksDrafts: true, ...model }, { speculation });
  const ears: Ear[] = [];
  const ask = (fields: Parameters<typeof toyRequest>[0]) => {
    const ear = new Ear();
    ears.push(ear);
    return engine.submit(toyRequest(fields), ear).done;
  };
  const prompt = Int32Array.of(5, 6, 7, 8, 9, 5, 6);
  await ask({ promptTokens: prompt, sampling: { ...GREEDY, maxTokens: 60 } });
  await ask({ promptTokens: prompt, sampling: { ...SAMPLED, maxTokens: 70, stop: ["zz"], topLogprobs: 2 } });
  await ask({ promptTokens: prompt, samples: 3, sampling: { ...SAMPLED, maxTokens: 40, seed: 3 } });
  await Promise.all([
    ask({ promptTokens: prompt, samples: 2, sampling: { ...SAMPLED, maxTokens: 30, seed: 4 } }),
    ask({ promptTokens: Int32Array.of(11, 12, 13, 11), sampling: { ...GREEDY, maxTokens: 80 } }),
    ask({ promptTokens: Int32Array.of(3, 4, 3), sampling: { ...SAMPLED, maxTokens: 89, seed: 5 } }),
  ]);
  await ask({ promptTokens: prompt, sampling: { ...GREEDY, maxTokens: 30, logitBias: new Map([[9, 2]]) } });
  const stats = engine.stats();
  await engine.close();
  return {
    results: ears.map((ear) => ear.ended.sort((a, b) => a.index - b.index)),
    steps: runner.steps,
    stats,
  };
}

test("checked drafts give the same samples in fewer steps", async () => {
  const [without, with_] = [await said(false), await said(true)];
  assert.deepEqual(with_.results, without.results);
  assert.equal(without.stats.draftedTokens, 0);
  assert.ok(with_.stats.acceptedDraftTokens > 60, `${with_.stats.acceptedDraftTokens} accepted`);
  assert.ok(with_.stats.draftedTokens > with_.stats.acceptedDraftTokens);
  assert.ok(with_.steps.every(({ rows, positions }) => rows === 1 || positions === 1));
  assert.ok(with_.steps.length + 60 < without.steps.length);
});

test("ends in the middle of a draft, as without one", async () => {
  const ends = { ...REPEATING, endEvery: 9 };
  assert.deepEqual((await said(true, ends)).results, (await said(false, ends)).results);
});

test("a model that cannot check drafts is not asked to", async () => {
  const { steps, stats } = await said(true, { ...REPEATING, checksDrafts: false });
  assert.ok(steps.every(({ positions }) => positions === 1));
  assert.equal(stats.draftedTokens, 0);
});

const DRAFT: Draft = { tokens: [1, 2, 3], matched: 2 };

test("as many drafted tokens are checked as make tokens come fastest", () => {
  const cheap = new Speculation();
  for (const [count, ms] of [
    [0, 10],
    [1, 10.5],
    [3, 12],
  ] as const) {
    assert.equal(cheap.choose(DRAFT), count, "each choice is tried once");
    cheap.addStep(count, ms);
  }
  assert.equal(cheap.choose(DRAFT), 3);
  assert.equal(cheap.choose({ tokens: [1], matched: 2 }), 1);
  for (let i = 0; i < 400; i++) cheap.addDraft(DRAFT, 3, 0);
  assert.equal(cheap.choose(DRAFT), 0, "drafts that are never right do not pay");

  const dear = new Speculation();
  for (const [count, ms] of [
    [0, 10],
    [1, 20],
    [3, 40],
  ] as const) {
    dear.addStep(count, ms);
  }
  assert.equal(dear.choose(DRAFT), 0, "where positions cost as much as steps");
});

test("now and then another choice is tried, so that its time is known", () => {
  const speculation = new Speculation();
  for (const [count, ms] of [
    [0, 10],
    [1, 30],
    [3, 60],
  ] as const) {
    speculation.addStep(count, ms);
  }
  const chosen = Array.from({ length: 2000 }, () => {
    const count = speculation.choose(DRAFT);
    speculation.addStep(count, count === 0 ? 10 : 11);
    return count;
  });
  assert.equal(chosen.at(-1), MOST_DRAFTED, "its step became cheap, which is noticed");
});
