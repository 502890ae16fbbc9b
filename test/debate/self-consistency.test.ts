// Agents alone, at the tokens of a debate: what is asked, what is not paid twice, and how it is counted beside debates.

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { readDebateFolders } from "../../src/debate/debate-folder.ts";
import type { DebateOutline } from "../../src/debate/debate-outline.ts";
import { isMajorityRight, type SampledQuestion } from "../../src/debate/sampled-question.ts";
import { selfConsistencyReports } from "../../src/debate/self-consistency-report.ts";
import { debateFiles } from "../../src/debate/write-debates.ts";
import { scratchFolder } from "../support/scratch-folder.ts";
import { type Held, type HeldOptions, held, newFolder } from "./support/held-debates.ts";
import { type Asked, type Reaction, says } from "./support/scripted-agents.ts";

const scratch = scratchFolder();

/** a says 4, b says 5 until it has heard others; answers of a are as long as those of b. */
function react({ model, prompt }: Asked): Reaction {
  return { says: says(model === "b" && !prompt.includes("Several agents") ? 5 : 4) };
}

function alone(options: Partial<HeldOptions> = {}): Promise<Held> {
  return held({ folder: newFolder(scratch), names: ["a", "b"], alone: ["a"], react, ...options });
}

function sum(counts: readonly (number | null)[]): number {
  return counts.reduce<number>((total, count) => total + (count ?? 0), 0);
}

test("an agent is asked as in round 0 with other seeds, until it has cost what the debate cost, and no longer", async () => {
  const { debates, sampled, server } = await alone();
  const calls = debates[0]!.nodes.map(({ call }) => call);
  const samples = sampled[0]!.samples;
  const ofA = server.answered.filter(
    ({ model, prompt }) => model === "a" && !prompt.includes("Several agents"),
  );
  assert.equal(new Set(ofA.map(({ prompt }) => prompt)).size, 1);
  assert.equal(new Set(ofA.map(({ seed }) => seed)).size, samples.length, "each with a seed of its own");
  assert.equal(server.answered.length, calls.length + samples.length - 1, "round 0 is the first sample");
  for (const of of ["completion_tokens", "prompt_tokens"] as const) {
    assert.equal(samples[0]?.[of], calls.find(({ agent }) => agent === "a")?.[of]);
  }
  const total = (list: typeof samples | typeof calls) =>
    sum(list.map((one) => one.prompt_tokens)) + sum(list.map((one) => one.completion_tokens));
  assert.ok(total(samples) >= total(calls));
  assert.ok(
    total(samples.slice(0, -1)) < total(calls),
    "prompts of later rounds are longer: they decide here",
  );
  assert.deepEqual(
    samples.map(({ sample, answer, correct, error }) => [sample, answer, correct, error]),
    samples.map((_, sample) => [sample, "4", true, null]),
  );
});

test("samples are journalled by their own keys: a second run pays for none, another agent's are its own", async () => {
  const folder = newFolder(scratch);
  const first = await alone({ folder });
  const again = await alone({ folder, alone: ["a", "b"] });
  assert.deepEqual(again.sampled[0], first.sampled[0]);
  assert.deepEqual([...again.server.counts.keys()], ["b"]);
  const keys = again.lines.map(({ round, agent, sample }) => `${round} ${agent} ${sample}`);
  assert.equal(new Set(keys).size, keys.length);
  assert.ok(first.lines.filter(({ sample }) => sample !== undefined).every(({ round }) => round === 0));
  assert.deepEqual(again.debates, first.debates, "the debates are as they were");
});

test("the budget holds for samples too", async () => {
  const whole = await alone();
  const debate =
    whole.ledger.mostTokens -
    sum(whole.sampled[0]!.samples.slice(1).map((one) => one.prompt_tokens! + one.completion_tokens!));
  await assert.rejects(alone({ budget: { maxTokens: debate } }), { code: "MAGDI_CANCELLED" });
});

test("where tokens are not said there are as many samples as the debate had answers", async () => {
  const { sampled, debates } = await alone({
    react: (asked) => ({ ...react(asked), usage: false }) as Reaction,
  });
  assert.equal(sampled[0]?.samples.length, debates[0]?.nodes.length);
});

test("there is an end for agents that say next to nothing, and for those that fail", async () => {
  const { sampled } = await alone({ mostSamples: 3 });
  assert.equal(sampled[0]?.samples.length, 3);
  const failing = await alone({
    react: (asked, nth) => (asked.model === "a" && nth > 1 ? { status: 400 } : react(asked)),
  });
  const errors = failing.sampled[0]!.samples.map(({ error }) => error);
  assert.deepEqual(errors, [null, "status 400: not now", "status 400: not now", "status 400: not now"]);
});

function debate(id: string, tokens: number, right: boolean): DebateOutline {
  const node = {
    agent: "a",
    round: 0,
    correct: right,
    answered: true,
    refused: false,
    hasConfidence: true,
    model: "a",
  };
  const team = [{ rescaled: right, majority: right, meanConfidence: right }];
  return {
    ...{ dataset: "sums", id, task: "math", questionBytes: 1, rounds: 0, consensus: true, team, missing: [] },
    ...{ nodes: [{ ...node, promptTokens: 10, completionTokens: tokens, usd: 1 }], promptsSha256: "" },
  };
}

/** Samples of 10 generated tokens and one of the prompt each: right, wrong, or none to be read. */
function samplesOf(id: string, ...said: readonly ("right" | "wrong" | "none")[]): SampledQuestion {
  return {
    ...{ benchmark: "sums", question_id: id, agent: "a" },
    samples: said.map((one, sample) => ({
      ...{ sample, answer: one === "none" ? null : one, key: one === "none" ? null : one },
      ...{ correct: one === "right", confidence: 0.5, error: null },
      ...{ prompt_tokens: 1, completion_tokens: 10, usd: 0.1 },
    })),
  };
}

test("votes are majorities of the first samples; ties go to the first", () => {
  const votes = (...said: Parameters<typeof samplesOf>[1][]) =>
    said.map((_, index) => isMajorityRight(samplesOf("1", ...said), index + 1));
  assert.deepEqual(votes("wrong", "right", "right"), [false, false, true]);
  assert.deepEqual(votes("none", "right", "wrong"), [false, true, true]);
});

test("at equal tokens: the fewest samples that cost as much, against the team's vote of the same questions", () => {
  const debates = [
    debate("1", 25, true),
    debate("2", 10, false),
    debate("3", 50, true),
    debate("4", 1, true),
  ];
  const [report] = selfConsistencyReports(debates, [
    samplesOf("1", "wrong", "right", "right", "wrong"), // 25 tokens: three of them
    samplesOf("2", "right"), // 10 tokens: its first
    samplesOf("3", "wrong", "wrong"), // never 50
    samplesOf("5", "right"), // of a question without a debate
  ]);
  const { at_generated_tokens: equal, at_all_tokens: all, by_samples: curve } = report!;
  assert.deepEqual([report?.questions, equal?.right, equal?.of, equal?.short], [3, 2, 3, 1]);
  assert.deepEqual([equal?.samples_mean, equal?.completion_tokens_mean], [2, 20]);
  assert.equal(equal?.usd_mean?.toFixed(9), "0.200000000");
  const { onlyA, onlyB, accuracyA, accuracyB } = equal!.against_debate;
  assert.deepEqual([onlyA, onlyB, accuracyA, accuracyB], [1, 1, 2 / 3, 2 / 3]);
  assert.deepEqual(
    curve.map(({ samples, right, completion_tokens_mean: tokens }) => [samples, right, tokens]),
    [
      [1, 1, 10],
      [2, 1, 50 / 3],
      [3, 2, 20],
      [4, 1, 70 / 3], // at four the first question is level again, and its first answer is wrong
    ],
  );
  // 35 tokens with the prompt are four samples of 11; 20 are two, of which there is one.
  assert.deepEqual([all?.samples_mean, all?.short, all?.right], [7 / 3, 2, 1]);
  assert.deepEqual(selfConsistencyReports(debates, []), []);
});

test("journals from before there were samples are read, and samples are read from their file", async () => {
  const folder = newFolder(scratch);
  await alone({ folder, alone: [], write: true });
  const { journal, selfConsistency } = debateFiles(folder);
  assert.doesNotMatch(readFileSync(journal, "utf8"), /"sample"/);
  const run = await alone({ folder, write: true });
  const { sampled, costs, begun } = await readDebateFolders([folder]);
  assert.deepEqual(sampled, run.sampled);
  assert.deepEqual(
    costs.map(({ agent, sampleCalls }) => [agent, sampleCalls]),
    [
      ["a", run.sampled[0]!.samples.length - 1],
      ["b", 0],
    ],
  );
  assert.equal(begun, 1);
  writeFileSync(selfConsistency, '{"agent":"a"}\n');
  await assert.rejects(readDebateFolders([folder]), {
    code: "MAGDI_BAD_FILE",
    message: new RegExp(`${path.basename(selfConsistency)}:1: benchmark: expected a text`),
  });
});
