// Convincing samples: how they are read, who is shown which, and how they are collected.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { CallJournal } from "../../src/debate/call-journal.ts";
import { Caller } from "../../src/debate/caller.ts";
import { collectConvincing, explainedQuestions } from "../../src/debate/collect-convincing.ts";
import { ConvincingSamples } from "../../src/debate/convincing-samples.ts";
import { DebateLedger } from "../../src/debate/debate-ledger.ts";
import { DebatePrompts } from "../../src/debate/debate-prompts.ts";
import { transcriptOf } from "../../src/debate/transcript.ts";
import { scratchFolder } from "../support/scratch-folder.ts";
import { held, newFolder, question, scriptedAgent } from "./support/held-debates.ts";
import { type Asked, says, scriptedAgents } from "./support/scripted-agents.ts";
import { SkippingClock } from "./support/skipping-clock.ts";

const scratch = scratchFolder();
const AGENTS = ["a", "b", "c"];

function written(content: unknown): string {
  const file = path.join(newFolder(scratch), "convincing.json");
  writeFileSync(file, typeof content === "string" ? content : JSON.stringify(content));
  return file;
}

const sample = (agent: string, number: number, more: object = {}) => ({
  agent,
  dataset: "sums",
  question: `What did ${agent} find in ${number}?`,
  explanation: `${agent} explains ${number}.`,
  answer: number,
  ...more,
});

const read = (content: unknown, perAgent = 4) => ConvincingSamples.read(written(content), perAgent);
const explanations = (samples: readonly { readonly explanation: string }[]) =>
  samples.map(({ explanation }) => explanation);

test("samples are read from lines, an array, lists by agent, and ReConcile's files", async () => {
  const colour = {
    question: "Which colour?",
    explanation: "The sky.",
    answer: "2",
    choices: ["red", "blue"],
  };
  const { agent: _, ...first } = sample("a", 1);
  const { explanation: gold_explanation, choices: options, ...stem } = colour;
  for (const content of [
    [sample("a", 1), { ...colour, agent: "b" }].map((one) => JSON.stringify(one)).join("\n"),
    [sample("a", 1), { ...colour, agent: "b" }],
    { a: [first], b: [colour] },
    {
      a: [first],
      b: [{ train_sample: { index: 7, ...stem, gold_explanation, options }, prediction_pre: {} }],
    },
  ]) {
    const samples = await read(content);
    const shown = samples.shownTo("c", question("new", { task: "multiple-choice" }), AGENTS);
    assert.deepEqual(
      shown.map((one) => [one.agent, one.task, one.answer, one.explanation]),
      [
        ["a", "math", "1", "a explains 1."],
        ["b", "multiple-choice", "2", "The sky."],
      ],
    );
    assert.deepEqual(shown[1]?.choices, [
      { label: "1", text: "red" },
      { label: "2", text: "blue" },
    ]);
  }
});

test("what is no sample is named with its place and its fields", async () => {
  const rejects = (content: unknown, message: RegExp) =>
    assert.rejects(read(content), { code: "MAGDI_BAD_FILE", message });
  await rejects(
    [sample("a", 1), sample("a", 2, { explanation: " " })],
    /\[1\]: explanation: expected a text/,
  );
  await rejects(sample("", 1), /agent: expected a text of at least 1/);
  await rejects({ a: [{ question: "q" }] }, /a\[0\]: explanation: expected a text, found nothing; answer: /);
  await rejects(
    sample("a", 1, { choices: ["x", "y"], answer: "E" }),
    /answer: expected one of the task multiple-choice among A, B, found "E"/,
  );
  await rejects([], /expected samples, \{agent, question, .*\}, found none/);
  await assert.rejects(ConvincingSamples.read(path.join(scratch, "none"), 4), { code: "MAGDI_FILE_MISSING" });
});

test("an agent is shown so many of each other, of the data set before the task, and never what is asked", async () => {
  const samples = await read(
    [
      ...[1, 2, 3].map((number) => sample("a", number)),
      sample("a", 4, { dataset: "others" }),
      sample("b", 5, { dataset: "others" }),
      sample("b", 6, { dataset: "facts", task: "yes-no", answer: "yes" }),
      sample("c", 7),
      sample("d", 8),
    ],
    2,
  );
  const shown = (agent: string, asked = question("new")) =>
    explanations(samples.shownTo(agent, asked, AGENTS));
  assert.deepEqual(shown("c"), ["a explains 1.", "a explains 2.", "b explains 5."]);
  assert.deepEqual(shown("a"), ["b explains 5.", "c explains 7."]);
  assert.deepEqual(shown("c", question("1", { question: " what did A find  in 1?" })), [
    ...["a explains 2.", "a explains 3.", "b explains 5."],
  ]);
  assert.deepEqual(shown("c", question("1", { dataset: "facts", task: "yes-no" })), ["b explains 6."]);
  assert.deepEqual(samples.gaps([question("new")], AGENTS), [
    "b has 1 of 2 for sums",
    "c has 1 of 2 for sums",
    "d is none of the agents",
  ]);
});

test("in every round agents are shown the others' samples, and the transcript says which file's", async () => {
  const file = written([sample("a", 1), sample("b", 2), sample("c", 3)]);
  const samples = await ConvincingSamples.read(file, 4);
  const prompts = DebatePrompts.load(null, { samples, agents: AGENTS });
  const asked: Asked[] = [];
  const run = await held({
    folder: newFolder(scratch),
    rounds: 1,
    prompts,
    react(one) {
      asked.push(one);
      return { says: says(one.model === "a" ? 4 : 5) };
    },
  });
  assert.equal(asked.length, 6);
  for (const { model, prompt } of asked) {
    const told = AGENTS.filter((agent) => prompt.includes(`${agent} explains`));
    assert.deepEqual(
      told,
      AGENTS.filter((agent) => agent !== model),
      model,
    );
    assert.ok(prompt.indexOf("explains") < prompt.indexOf("Question: What is 2+2?"));
  }
  assert.equal(asked.filter(({ prompt }) => prompt.includes("Several agents")).length, 3);
  assert.match(
    asked[0]?.prompt ?? "",
    /\n\nQuestion: What did b find in 2\?\nExplanation: b explains 2\.\nAnswer: 2\n\nQuestion: What did c/,
  );
  const [debate] = run.debates;
  assert.ok(debate);
  const context = { use: "train", promptsSha256: "", convincing: prompts.convincing } as const;
  const { convincing_sha256: hash, convincing_samples: count } = transcriptOf(debate, context);
  const bytes = JSON.stringify([sample("a", 1), sample("b", 2), sample("c", 3)]);
  assert.deepEqual([hash, count], [createHash("sha256").update(bytes).digest("hex"), 4]);
});

test("the prompts that show samples can be replaced", async () => {
  const own = path.join(scratch, "own");
  mkdirSync(own);
  writeFileSync(path.join(own, "demonstration.txt"), "{{answer}}! {{explanation}} {{question}}");
  writeFileSync(path.join(own, "demonstrations.txt"), "Listen: {{demonstrations}}");
  const samples = await read([sample("b", 2, { explanation: "{{answer}} $& so" })]);
  const prompts = DebatePrompts.load(own, { samples, agents: AGENTS });
  const [{ content } = { content: "" }] = prompts.render(question("2+2"), { name: "a", form: "json" }, null);
  assert.match(
    content,
    /^Listen: 2! \{\{answer\}\} \$& so Question: What did b find in 2\?\n\nQuestion: What is/,
  );
  const [alone] = prompts.render(question("2+2"), { name: "b", form: "json" }, null);
  assert.doesNotMatch(alone?.content ?? "", /Listen/, "b has nobody to hear");
  assert.notEqual(prompts.sha256, DebatePrompts.load(null).sha256);
  writeFileSync(path.join(own, "demonstration.txt"), "{{question}} {{answer}}");
  assert.throws(() => DebatePrompts.load(own), {
    message: /demonstration\.txt: .*found no \{\{explanation\}\}$/,
  });
});

interface Collecting {
  readonly folder: string;
  readonly react: (asked: Asked, nth: number) => { readonly says: string };
  readonly samples?: number;
  readonly concurrency?: number;
  readonly maxTokens?: number;
}

const QUESTIONS = explainedQuestions([
  ...Array.from({ length: 12 }, (_, index) =>
    question(String(index), { gold: String(index), explanation: `It is ${index}.` }),
  ),
  question("unexplained"),
  question("unreadable", { task: "yes-no", gold: "perhaps", explanation: "It is." }),
]);

/** Samples of a, b and c, with the requests that were made. */
async function collected({ folder, react, samples = 3, concurrency = 4, maxTokens }: Collecting) {
  const server = await scriptedAgents(react);
  const agents = AGENTS.map((name) => scriptedAgent(name, server.baseUrl, { concurrency }));
  const journal = CallJournal.open(path.join(folder, "journal.jsonl"), { fresh: false });
  const ledger = new DebateLedger(agents, journal.lines);
  const caller = new Caller({
    ...{ agents, journal, ledger, clock: new SkippingClock() },
    budget: { maxTokens: maxTokens ?? null, maxUsd: null },
    wallMs: () => 0,
    jitter: () => 0,
    signal: new AbortController().signal,
  });
  try {
    const prompts = DebatePrompts.load(null);
    const parts = { agents, prompts, caller, samples, seed: 1 };
    return {
      results: await collectConvincing(QUESTIONS, parts),
      asked: server.answered,
      halted: caller.halted,
    };
  } finally {
    journal.close();
    await server.close();
  }
}

/** a is always wrong alone and hears every explanation, b none; c is right alone about even numbers. */
function react({ model, prompt }: Asked): { says: string } {
  const number = Number(/What is (\d+)\?/.exec(prompt)?.[1]);
  const isExplained = prompt.includes(`Answer it given this explanation:\n\nIt is ${number}.`);
  const isRight = { a: isExplained, b: false, c: isExplained || number % 2 === 0 }[model];
  return { says: says(isRight ? number : number + 100, isExplained ? 1 : 0.5) };
}

test("collected is what was wrong alone and right when explained, with no call more than that takes", async () => {
  assert.equal(QUESTIONS.length, 12);
  const folder = newFolder(scratch);
  const { results, asked, halted } = await collected({ folder, react });
  assert.equal(halted, undefined);
  const [a, b, c] = results;
  assert.deepEqual([a?.agent, a?.asked, a?.wrong, a?.samples.length], ["a", 3, 3, 3]);
  assert.deepEqual([b?.agent, b?.asked, b?.wrong, b?.samples.length], ["b", 12, 12, 0]);
  assert.deepEqual([c?.samples.length, c?.wrong], [3, 3]);
  assert.ok(c?.samples.every(({ answer }) => Number(answer) % 2 === 1));
  assert.equal(asked.filter(({ model }) => model === "a").length, 6);
  assert.equal(asked.filter(({ model }) => model === "b").length, 24);
  assert.equal(asked.filter(({ model }) => model === "c").length, (c?.asked ?? 0) + 3);
  const [first] = a?.samples ?? [];
  assert.deepEqual(
    [first?.explanation, first?.alone.answer, first?.explained.answer, first?.explained.confidence],
    [`It is ${first?.answer}.`, String(Number(first?.answer) + 100), first?.answer, 1],
  );
  // The same whatever runs beside, and from the journal for nothing.
  const alone = await collected({ folder: newFolder(scratch), react, concurrency: 1 });
  assert.deepEqual(alone.results, results);
  assert.equal(alone.asked.length, asked.length);
  const again = await collected({ folder, react });
  assert.deepEqual(again.results, results);
  assert.equal(again.asked.length, 0);
  // And it can be shown.
  const file = written(results.flatMap(({ samples }) => samples));
  const shown = (await ConvincingSamples.read(file, 4)).shownTo("b", question("new"), AGENTS);
  assert.equal(shown.length, 6);
});

test("an answer that cannot be read is not wrong, and a budget's end keeps what was found", async () => {
  const mute = await collected({ folder: newFolder(scratch), react: () => ({ says: "I say nothing" }) });
  assert.deepEqual(
    mute.results.map(({ asked, wrong }) => [asked, wrong]),
    [
      [12, 0],
      [12, 0],
      [12, 0],
    ],
  );
  const folder = newFolder(scratch);
  const stopped = await collected({ folder, react, maxTokens: 300, concurrency: 1 });
  assert.match(String(stopped.halted), /--max-tokens 300 are used up/);
  const rest = await collected({ folder, react, concurrency: 1 });
  const seeds = [...stopped.asked, ...rest.asked].map(({ model, seed }) => `${model} ${seed}`);
  assert.equal(new Set(seeds).size, seeds.length, "no call twice");
  assert.equal(rest.results[0]?.samples.length, 3);
});
