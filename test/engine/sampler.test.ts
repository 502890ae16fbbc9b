import assert from "node:assert/strict";
import { test } from "node:test";
import type { StepOutput } from "../../src/engine/model-runner.ts";
import { sampleRandom } from "../../src/engine/random.ts";
import { type FilterParams, needsFullLogits, Sampler } from "../../src/engine/sampler.ts";

const PLAIN: FilterParams = {
  temperature: 1,
  topK: 0,
  topP: 1,
  minP: 0,
  logitBias: new Map(),
  topLogprobs: null,
};

/** Rows of logits as a runner gives them: the K best of each, with or without the rows themselves. */
function stepOutput(
  rows: readonly (readonly number[])[],
  candidateCount: number,
  wantLogits: boolean,
): StepOutput {
  const candidateLogits = new Float32Array(rows.length * candidateCount);
  const candidateIds = new BigInt64Array(rows.length * candidateCount);
  const logSumExp = new Float32Array(rows.length);
  const width = rows[0]!.length;
  const logits = new Float32Array(rows.length * width);
  rows.forEach((row, at) => {
    logits.set(row, at * width);
    const order = ranking(row);
    for (let k = 0; k < candidateCount; k++) {
      candidateLogits[at * candidateCount + k] = row[order[k]!]!;
      candidateIds[at * candidateCount + k] = BigInt(order[k]!);
    }
    logSumExp[at] = Math.log(row.reduce((sum, logit) => sum + Math.exp(logit), 0));
  });
  return { candidateLogits, candidateIds, logSumExp, logits: wantLogits ? logits : null };
}

function ranking(row: readonly number[]): number[] {
  return [...row.keys()].sort((a, b) => row[b]! - row[a]! || a - b);
}

/** What Transformers' processors and warpers leave of a row: probabilities by id. Plain and slow. */
function filtered(
  row: readonly number[],
  params: FilterParams,
  masked: readonly number[],
): Map<number, number> {
  const scores = row.map((logit, id) => {
    if (masked.includes(id)) return Number.NEGATIVE_INFINITY;
    return Math.fround(logit + (params.logitBias.get(id) ?? 0)) / params.temperature;
  });
  const softmax = (ids: number[]): number[] => {
    const best = Math.max(...ids.map((id) => scores[id]!));
    const weights = ids.map((id) => Math.exp(scores[id]! - best));
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    return weights.map((weight) => weight / total);
  };
  let ids = ranking(scores).filter((id) => scores[id]! > Number.NEGATIVE_INFINITY);
  if (params.topK > 0) ids = ids.slice(0, params.topK);
  if (params.topP < 1) {
    let reached = 0;
    ids = softmax(ids).flatMap((probability, at) => {
      const keep = reached < params.topP;
      reached += probability;
      return keep ? [ids[at]!] : [];
    });
  }
  const best = softmax(ids)[0]!;
  ids = softmax(ids).flatMap((probability, at) => (probability < params.minP * best ? [] : [ids[at]!]));
  // Where nothing is filtered the sampler's draw goes by id.
  if ((params.topK === 0 || params.topK >= row.length) && params.topP === 1 && params.minP === 0) {
    ids.sort((a, b) => a - b);
  }
  return new Map(softmax(ids).map((probability, at) => [ids[at]!, probability]));
}

function logitRow(seed: number, width: number, step: number): number[] {
  const random = sampleRandom(seed, width);
  // Rounded to a coarse grid where ties are wanted.
  return Array.from({ length: width }, () => {
    const logit = (random.nextFloat() - 0.5) * 12;
    return Math.fround(step > 0 ? Math.round(logit / step) * step : logit);
  });
}

const FILTERS: readonly Partial<FilterParams>[] = [
  {},
  { temperature: 0.7, topK: 5 },
  { temperature: 0.7, topK: 1 },
  { temperature: 1.3, topK: 20, topP: 0.9 },
  { topP: 0.5 },
  { topP: 0.01 },
  { topP: 0.999999 },
  { minP: 0.1 },
  { minP: 1 },
  { temperature: 2, topK: 12, topP: 0.8, minP: 0.3 },
  { temperature: 0.01, topK: 1000 },
  {
    logitBias: new Map([
      [3, 5],
      [4, -100],
    ]),
    topK: 4,
  },
  { logitBias: new Map([[0, 100]]), topP: 0.9 },
];

test("each filter leaves the tokens of the reference, in its proportions", () => {
  const row = logitRow(1, 60, 0);
  for (const filter of FILTERS) {
    const params = { ...PLAIN, ...filter };
    const masked = [ranking(row)[0]!, ranking(row)[2]!];
    const expected = filtered(row, params, masked);
    const sampler = new Sampler(60, 16);
    sampler.begin(stepOutput([row], 16, true));
    const random = sampleRandom(5, 0);
    const counts = new Map<number, number>();
    const draws = 4000;
    for (let draw = 0; draw < draws; draw++) {
      const id = sampler.pick(0, params, masked, random);
      counts.set(id, (counts.get(id) ?? 0) + 1);
    }
    for (const [id, count] of counts) {
      const probability = expected.get(id);
      assert.ok(probability !== undefined, `${JSON.stringify(filter)} must not give ${id}`);
      const deviation = Math.sqrt(draws * probability * (1 - probability));
      assert.ok(
        Math.abs(count - draws * probability) <= 5 * deviation + 1,
        `${JSON.stringify(filter)}: ${id}`,
      );
    }
    for (const [id, probability] of expected) {
      if (probability > 0.01) assert.ok(counts.has(id), `${JSON.stringify(filter)} must give ${id}`);
    }
  }
});

test("inverting the draw gives exactly the reference's token", () => {
  for (let seed = 0; seed < 60; seed++) {
    const row = logitRow(seed, 200, seed % 2 === 0 ? 0 : 0.5);
    for (const filter of FILTERS) {
      const params = { ...PLAIN, ...filter };
      const expected = filtered(row, params, []);
      const draw = sampleRandom(seed, 1).nextFloat();
      let cumulative = 0;
      let wanted = -1;
      let margin = 1;
      for (const [id, probability] of expected) {
        wanted = id;
        cumulative += probability;
        margin = Math.min(margin, Math.abs(draw - cumulative));
        if (draw < cumulative) break;
      }
      if (margin < 1e-9) continue;
      const sampler = new Sampler(200, 8);
      sampler.begin(stepOutput([row], 8, true));
      assert.equal(sampler.pick(0, params, [], { nextFloat: () => draw }), wanted, JSON.stringify(filter));
    }
  }
});

test("candidates and whole rows give the same token for the same random number", () => {
  const width = 300;
  const narrow = new Sampler(width, 50);
  const wide = new Sampler(width, 1); // one candidate is never enough here: it must use the rows
  let compared = 0;
  for (let seed = 0; seed < 80; seed++) {
    const rows = [logitRow(seed, width, 0), logitRow(seed + 1000, width, 0.25)];
    narrow.begin(stepOutput(rows, 50, false));
    wide.begin(stepOutput(rows, 1, true));
    for (const filter of FILTERS) {
      const params = { ...PLAIN, ...filter };
      for (let at = 0; at < rows.length; at++) {
        for (const masked of [[], ranking(rows[at]!).slice(1, 3)]) {
          if (needsFullLogits(params, 50, masked.length)) continue;
          const first = sampleRandom(seed, at);
          const second = sampleRandom(seed, at);
          if (params.topK === 1 && masked.length === 0) continue;
          assert.ok(needsFullLogits(params, 1, masked.length));
          assert.equal(narrow.pick(at, params, masked, first), wide.pick(at, params, masked, second));
          assert.equal(first.nextUint32(), second.nextUint32(), "both draw the same count of numbers");
          compared++;
        }
      }
    }
  }
  assert.ok(compared > 500);
});

test("no top-k and a top-k of the whole vocabulary are one filter", () => {
  const width = 5000;
  const sampler = new Sampler(width, 8);
  for (let seed = 0; seed < 40; seed++) {
    const row = logitRow(seed, width, seed % 2 === 0 ? 0 : 0.5);
    row[seed] = Number.NEGATIVE_INFINITY; // what a top-k of all but one drops
    sampler.begin(stepOutput([row], 8, true));
    for (const filter of [{ topP: 0.95 }, { minP: 0.02 }, { temperature: 3, topP: 0.999 }]) {
      const draw = sampleRandom(seed, 2).nextFloat();
      const pick = (topK: number) =>
        sampler.pick(0, { ...PLAIN, ...filter, topK }, [], { nextFloat: () => draw });
      assert.equal(pick(0), pick(width - 1), JSON.stringify(filter));
      assert.equal(pick(0), pick(width + 5), JSON.stringify(filter));
    }
  }
});

test("greedy takes the lowest id among equals, in candidates, in rows, and when they come in another order", () => {
  const row = [0, 3, 1, 3, -0, 3];
  const greedy = { ...PLAIN, temperature: 0 };
  const none = { nextFloat: () => assert.fail("greedy draws nothing") };
  const sampler = new Sampler(6, 4);
  sampler.begin(stepOutput([row], 4, false));
  assert.equal(sampler.pick(0, greedy, [], none), 1);
  assert.equal(sampler.pick(0, greedy, [1], none), 3);
  const rows = new Sampler(6, 4);
  rows.begin(stepOutput([row], 4, true));
  const biased = { ...greedy, logitBias: new Map([[1, -1]]) };
  assert.equal(rows.pick(0, biased, [], none), 3);
  assert.equal(rows.pick(0, biased, [3, 5], none), 1);
});

test("one number is drawn for each sampled token, even when one token is left", () => {
  const row = logitRow(3, 40, 0);
  const sampler = new Sampler(40, 8);
  sampler.begin(stepOutput([row], 8, true));
  for (const filter of [
    { topK: 1 },
    { topK: 4 },
    { topP: 0.001 },
    {},
    { minP: 1 },
    { topK: 30, topP: 0.2 },
  ]) {
    let draws = 0;
    sampler.pick(0, { ...PLAIN, ...filter }, [], {
      nextFloat() {
        draws++;
        return 0.5;
      },
    });
    assert.equal(draws, 1, JSON.stringify(filter));
  }
});

test("the extremes of the random number stay within the filter", () => {
  const row = logitRow(4, 500, 0);
  const sampler = new Sampler(500, 8);
  sampler.begin(stepOutput([row], 8, true));
  for (const filter of FILTERS) {
    const params = { ...PLAIN, ...filter };
    const expected = [...filtered(row, params, []).keys()];
    assert.equal(sampler.pick(0, params, [], { nextFloat: () => 0 }), expected[0]);
    const last = sampler.pick(0, params, [], { nextFloat: () => 1 - 2 ** -53 });
    assert.ok(expected.includes(last), JSON.stringify(filter));
  }
});

test("log-probabilities are those of the unmodified distribution", () => {
  const rows = [logitRow(8, 30, 0), logitRow(9, 30, 0)];
  const step = stepOutput(rows, 6, false);
  const sampler = new Sampler(30, 6);
  sampler.begin(step);
  const order = ranking(rows[1]!);
  const top = sampler.topLogprobs(1, 4);
  assert.deepEqual(
    top.map((entry) => entry.tokenId),
    order.slice(0, 4),
  );
  const total = rows[1]!.reduce((sum, logit) => sum + Math.exp(logit), 0);
  for (const { tokenId, logprob } of top) {
    assert.ok(Math.abs(logprob - Math.log(Math.exp(rows[1]![tokenId]!) / total)) < 1e-5);
    assert.equal(sampler.logprob(1, tokenId), logprob);
  }
  const whole = new Sampler(30, 6);
  whole.begin({ ...stepOutput(rows, 6, true), logSumExp: step.logSumExp });
  assert.deepEqual(whole.topLogprobs(1, 4), top, "bit for bit the same from rows");
  assert.equal(whole.topLogprobs(1, 10).length, 10);
  assert.deepEqual(whole.topLogprobs(1, 10).slice(0, 4), top);
  assert.equal(whole.logprob(1, order[29]!), rows[1]![order[29]!]! - step.logSumExp[1]!);
});

test("whole rows are asked for exactly where candidates are not enough", () => {
  const needs = (filter: Partial<FilterParams>, masked = 0) =>
    needsFullLogits({ ...PLAIN, ...filter }, 64, masked);
  assert.equal(needs({ temperature: 0 }), false);
  assert.equal(needs({ temperature: 0 }, 63), false);
  assert.equal(needs({ temperature: 0 }, 64), true);
  assert.equal(needs({ topK: 64 }), false);
  assert.equal(needs({ topK: 64 }, 1), true);
  assert.equal(needs({ topK: 65 }), true);
  assert.equal(needs({ topK: 0 }), true);
  assert.equal(needs({ temperature: 0, logitBias: new Map([[1, 1]]) }), true);
  assert.equal(needs({ topK: 5, topLogprobs: 20 }), false);
  assert.equal(needsFullLogits({ ...PLAIN, topK: 5, topLogprobs: 20 }, 16, 0), true);
});

test("a row of NaN is an error that says so, not a token", () => {
  const sampler = new Sampler(4, 4);
  sampler.begin(stepOutput([[0, Number.NaN, 1, 2]], 4, true));
  const attempt = () => sampler.pick(0, { ...PLAIN, topK: 2 }, [], sampleRandom(0, 0));
  assert.throws(attempt, { code: "MAGDI_RUNTIME", message: /NaN/ });
});
