// What all debates are said to cost, against what they cost in truth.

import assert from "node:assert/strict";
import { test } from "node:test";
import { type DebateEstimate, estimateDebates, sampledQuestions } from "../../src/debate/debate-estimate.ts";
import { type CostSums, costOf, type PricedAgent } from "../../src/debate/debate-model.ts";
import { type DebateOutline, outlineOfDebate } from "../../src/debate/debate-outline.ts";
import type { Question } from "../../src/eval/question-formats.ts";
import { scratchFolder } from "../support/scratch-folder.ts";
import { held, newFolder, question, scriptedAgent } from "./support/held-debates.ts";
import { type Asked, type Reaction, says } from "./support/scripted-agents.ts";

const scratch = scratchFolder();
const NAMES = ["a", "b", "c"];
const AGENTS = NAMES.map((name) => scriptedAgent(name, "http://127.0.0.1:1"));

/** Questions that are harder the later they come: they need more rounds, longer answers, and are longer themselves. */
const QUESTIONS: readonly Question[] = [
  ...Array.from({ length: 20 }, (_, at) => question(`s${at} ${"and more ".repeat(at)}`, { id: `s${at}` })),
  ...Array.from({ length: 20 }, (_, at) =>
    question(`f${at}`, {
      dataset: "facts",
      task: "yes-no",
      gold: "yes",
      passage: "It is so. ".repeat(4 * at),
    }),
  ),
];

function react({ model, prompt }: Asked): Reaction {
  const [, kind = "", number = "0"] = /What is ([sf])(\d+)/.exec(prompt) ?? [];
  const needed = Math.floor(Number(number) / (kind === "s" ? 5 : 8)); // rounds until c agrees
  const heard = [...prompt.matchAll(/heard (\d)/g)].map((match) => Number(match[1]));
  const round = heard.length === 0 ? 0 : Math.max(...heard) + 1;
  const isAlone = model === "c" && round < needed;
  const answer = kind === "s" ? (isAlone ? 5 : 4) : isAlone ? "no" : "yes";
  return { says: says(answer, 0.9, `heard ${round} ${"word ".repeat(20 + 2 * Number(number))}`) };
}

const run = await held({ folder: newFolder(scratch), questions: QUESTIONS, names: NAMES, react });
const ALL = run.debates.map(outlineOfDebate);
const TRUTH = costs(ALL);

function costs(debates: readonly DebateOutline[]): Record<keyof CostSums, number> {
  const sum = (of: keyof CostSums) =>
    debates.reduce((total, debate) => total + (costOf(debate, AGENTS)[of] ?? 0), 0);
  return {
    calls: sum("calls"),
    promptTokens: sum("promptTokens"),
    completionTokens: sum("completionTokens"),
    usd: sum("usd"),
  };
}

function estimated(
  debates: readonly DebateOutline[],
  questions = QUESTIONS,
  agents: readonly PricedAgent[] = AGENTS,
): DebateEstimate {
  return estimateDebates({ questions, debates, agents, rounds: 3 });
}

function of(questions: readonly Question[]): DebateOutline[] {
  const wanted = new Set(questions.map(({ dataset, id }) => `${dataset} ${id}`));
  return ALL.filter(({ dataset, id }) => wanted.has(`${dataset} ${id}`));
}

test("four questions of each of two tasks tell within a sixth what forty cost, and the interval has the truth", () => {
  assert.deepEqual([TRUTH.calls, run.server.answered.length], [run.server.answered.length, TRUTH.calls]);
  assert.equal(
    TRUTH.usd.toFixed(9),
    [...run.ledger.byAgent().values()].reduce((sum, { usd }) => sum + usd!, 0).toFixed(9),
  );
  const { sums, interval, ending, sources } = estimated(of(sampledQuestions(QUESTIONS, 4)));
  for (const name of ["calls", "promptTokens", "completionTokens", "usd"] as const) {
    const off = sums[name]! / TRUTH[name] - 1;
    assert.ok(Math.abs(off) < 1 / 6, `${name} is off by ${off}`);
    const [low, high] = [interval?.low[name] ?? Number.NaN, interval?.high[name] ?? Number.NaN];
    assert.ok(low <= TRUTH[name] && TRUTH[name] <= high && low < sums[name]! && sums[name]! < high, name);
  }
  assert.equal(ending.reduce((sum, count) => sum + count, 0).toFixed(6), "40.000000");
  assert.deepEqual(sources, [
    { dataset: "sums", questions: 20, over: 4, debates: 4, of: "dataset" },
    { dataset: "facts", questions: 20, over: 4, debates: 4, of: "dataset" },
  ]);
});

test("debates that are over are counted as they were, and nothing is guessed when all are", () => {
  const { sums, interval, ending } = estimated(ALL);
  assert.deepEqual({ ...sums, usd: sums.usd?.toFixed(9) }, { ...TRUTH, usd: TRUTH.usd.toFixed(9) });
  assert.deepEqual(interval?.low.calls, interval?.high.calls);
  const ended = [0, 1, 2, 3].map((round) => ALL.filter(({ rounds }) => rounds === round).length);
  assert.deepEqual(ending, ended);
});

test("a longer question has a longer prompt, by as much as those that were asked show", () => {
  const asked = of(QUESTIONS.slice(20, 24));
  const next = (passage: string) => [question("new", { dataset: "facts", task: "yes-no", passage })];
  const short = estimated(asked, next("")).sums;
  const long = estimated(asked, next("It is so. ".repeat(100))).sums;
  // Three words a sentence, for each of three agents, a little more for rounds that may follow.
  const more = long.promptTokens - short.promptTokens;
  assert.ok(more > 900 && more < 1800, `${more} more tokens`);
  assert.equal(long.completionTokens, short.completionTokens);
});

test("another data set of the task speaks for one without debates; without one of its task it is left out", () => {
  const others = ["x", "y"].map((id) => question(id, { dataset: "others" }));
  const free = question("z", { dataset: "stories", task: "free" });
  const { sums, sources } = estimated(of(QUESTIONS.slice(0, 20)), [...others, free]);
  assert.deepEqual(
    sources.map(({ dataset, debates, of: kind }) => [dataset, debates, kind]),
    [
      ["others", 20, "task"],
      ["stories", 0, "nothing"],
    ],
  );
  const mean = costs(ALL.slice(0, 20)).calls / 20;
  assert.ok(Math.abs(sums.calls / 2 - mean) < 0.1 * mean, "two of them");
});

test("agents without prices give no money, new ones the mean of the others, one debate no interval", () => {
  const unpriced = [
    ...AGENTS,
    { name: "d", prices: { inputUsdPerMillion: null, outputUsdPerMillion: null } },
  ];
  const asked = of([QUESTIONS[0]!, QUESTIONS[20]!]);
  const { sums, interval } = estimated(asked, QUESTIONS, unpriced);
  assert.deepEqual([sums.usd, interval], [null, null]);
  const three = estimated(asked).sums;
  const open = (all: CostSums) => all.completionTokens - costs(asked).completionTokens;
  assert.ok(Math.abs(open(sums) / open(three) - 4 / 3) < 1e-9);
});

test("a sample is the middle of equal parts of each data set", () => {
  const asked = sampledQuestions([...QUESTIONS, question("one", { dataset: "few" })], 4);
  assert.deepEqual(
    asked.map(({ id }) => id),
    ["s2", "s7", "s12", "s17", "f2", "f7", "f12", "f17", "one"],
  );
});
