// How a debate goes: who hears what, when it ends, and what the team answers.

import assert from "node:assert/strict";
import { test } from "node:test";
import { confidenceIn, confidenceValue } from "../../src/debate/confidence.ts";
import { type DebateNode, groupsOf, isConsensus } from "../../src/debate/node-groups.ts";
import { readReply } from "../../src/debate/reading.ts";
import { teamAnswer } from "../../src/debate/team-answer.ts";
import { authorsRecordOf, transcriptOf } from "../../src/debate/transcript.ts";
import { formatOf, importedRecord } from "../../src/mag/import-formats.ts";
import { magOf, noCounts } from "../../src/mag/record-to-mag.ts";
import { scratchFolder } from "../support/scratch-folder.ts";
import { held, newFolder, question } from "./support/held-debates.ts";
import { type Asked, says } from "./support/scripted-agents.ts";

const scratch = scratchFolder();
const MATH = { task: "math", choices: null } as const;

/** Nodes of one round: answers with confidences, read as an agent's would be. */
function nodes(...said: readonly (readonly [string | null, number | null])[]): DebateNode[] {
  return said.map(([answer, confidence], index) => {
    const { key } = readReply(says(answer ?? ""), MATH);
    return { agent: `agent${index}`, round: 0, reasoning: `because ${index}`, answer, key, confidence };
  });
}

test("of a three-way split every agent hears all three views, with explanation and confidence", async () => {
  const prompts: Asked[] = [];
  const answers: Readonly<Record<string, string>> = { a: "3", b: "4", c: "5" };
  const run = await held({
    folder: newFolder(scratch),
    rounds: 1,
    react(asked) {
      if (asked.prompt.includes("Several agents")) prompts.push(asked);
      return {
        says: says(answers[asked.model] ?? "", asked.model === "c" ? null : 0.7, `I am ${asked.model}`),
      };
    },
  });
  assert.deepEqual(prompts.map(({ model }) => model).sort(), ["a", "b", "c"]);
  for (const { prompt } of prompts) {
    assert.match(prompt, /1 agent thinks the answer is 3:\n- \(confidence 0\.7\) I am a\n/);
    assert.match(prompt, /1 agent thinks the answer is 4:\n- \(confidence 0\.7\) I am b\n/);
    assert.match(prompt, /1 agent thinks the answer is 5:\n- \(no confidence stated\) I am c\n/);
    assert.match(prompt, /^Question: What is 2\+2\?\n/);
  }
  const [debate] = run.debates;
  assert.deepEqual([debate?.consensus, debate?.rounds, debate?.nodes.length], [false, 1, 6]);
});

test("consensus is by value: 0.5, 1/2 and \\frac{1}{2} are one answer", async () => {
  const answers: Readonly<Record<string, string>> = { a: "0.5", b: "1/2", c: "\\frac{1}{2}" };
  const run = await held({
    folder: newFolder(scratch),
    questions: [question("half", { gold: "1/2" })],
    react: ({ model }) => ({ says: says(answers[model] ?? "") }),
  });
  const [debate] = run.debates;
  assert.deepEqual([debate?.consensus, debate?.rounds], [true, 0]);
  assert.deepEqual(
    debate?.nodes.map(({ answer }) => answer),
    ["0.5", "1/2", "\\frac{1}{2}"],
  );
});

test("an agent changes its mind, and the debate ends there", async () => {
  const run = await held({
    folder: newFolder(scratch),
    react: ({ model, prompt }) => ({
      says: says(model === "c" && !prompt.includes("2 agents think the answer is 4") ? 5 : 4),
    }),
  });
  const [debate] = run.debates;
  assert.deepEqual([debate?.consensus, debate?.rounds, debate?.team.majority], [true, 1, "4"]);
  assert.equal(run.server.answered.length, 6);
});

test("the importer reads transcripts and the authors' format as the same graph, without missing nodes", async () => {
  const choices = [
    { label: "A", text: "blue" },
    { label: "B", text: "red" },
  ];
  const passage = "Roses are red.";
  const asked = question("colour", { task: "multiple-choice", choices, passage, gold: "B" });
  const answers: Readonly<Record<string, string>> = { a: "B", b: "A", c: "" };
  const run = await held({
    folder: newFolder(scratch),
    questions: [asked],
    rounds: 1,
    react({ model }, nth) {
      if (model === "b" && nth === 0) return { status: 400 };
      return { says: says(answers[model] ?? "", 0.5, `I am ${model}`) };
    },
  });
  const debate = run.debates[0]!;
  const imported = (record: object) => {
    const parsed: unknown = JSON.parse(JSON.stringify(record));
    const format = formatOf(parsed);
    const read = importedRecord(parsed, format, "here");
    return { format, mag: magOf(read, { source: "debates.jsonl", where: "here" }, {}, noCounts()) };
  };
  const transcript = imported(transcriptOf(debate, { use: "eval", promptsSha256: "", convincing: null }));
  const authors = imported(authorsRecordOf(debate, "eval"));
  assert.deepEqual([transcript.format, authors.format], ["agents", "magdi"]);
  assert.deepEqual(
    transcript.mag?.nodes.map(({ agent, round, answer, label }) => [agent, round, answer, label]),
    [
      ["a", 0, "B", 1],
      ["c", 0, null, 0],
      ["a", 1, "B", 1],
      ["b", 1, "A", 0],
      ["c", 1, null, 0],
    ],
  );
  assert.equal(transcript.mag?.edges.length, 6);
  assert.deepEqual([transcript.mag?.passage, transcript.mag?.source.use], [passage, "eval"]);
  assert.deepEqual(authors.mag, transcript.mag);
});

test("two of an answer, one alone, and one without: no consensus, and the one without hears so", () => {
  const round = nodes(["4", 0.9], [null, null], ["5", 0.2], ["4.0", 0.1]);
  assert.deepEqual(
    groupsOf(round).map(({ answer, nodes: group }) => [answer, group.length]),
    [
      ["4", 2],
      ["5", 1],
      [null, 1],
    ],
  );
  assert.equal(isConsensus(round), false);
  assert.equal(isConsensus(nodes(["4", null], [null, null])), false, "one cannot be read");
  assert.equal(isConsensus(nodes([null, null], [null, null])), false, "none can be read");
  assert.equal(isConsensus(nodes(["4", 1])), false, "one alone agrees with nobody");
  assert.equal(isConsensus([]), false);
  assert.equal(isConsensus(nodes(["4", 1], ["4.0", 0])), true);
});

test("three votes: two doubtful against one that is sure", () => {
  const round = nodes(["5", 0.5], ["5", 0.6], ["4", 0.9]);
  // rescaled: 0.1 + 0.1 against 0.8; means: 0.55 against 0.9
  assert.deepEqual(teamAnswer(round), { rescaled: "4", majority: "5", meanConfidence: "4" });
});

test("ties: more votes, then more confidence, then the first", () => {
  // rescaled 0.3 each; one vote each; the second is surer
  assert.equal(teamAnswer(nodes(["4", 0.61], ["5", 0.79])).rescaled, "5");
  assert.equal(teamAnswer(nodes(["4", 0.7], ["5", 0.7])).rescaled, "4");
  assert.equal(teamAnswer(nodes(["4", 0.7], ["5", 0.7])).majority, "4");
  // equal means: the answer with more votes
  assert.equal(teamAnswer(nodes(["4", 0.7], ["5", 0.7], ["5", 0.7])).meanConfidence, "5");
  // rescaled 0.3 = 3 * 0.1: three votes against one
  assert.equal(teamAnswer(nodes(["5", 0.7], ["4", 0.1], ["4", 0.1], ["4", 0.1])).rescaled, "4");
});

test("a missing confidence weighs as 0, a node without an answer nothing", () => {
  assert.deepEqual(teamAnswer(nodes(["4", null], ["5", 0.3], [null, 1])), {
    rescaled: "5",
    majority: "5",
    meanConfidence: "5",
  });
  assert.deepEqual(teamAnswer(nodes([null, 0.9])), { rescaled: null, majority: null, meanConfidence: null });
  assert.deepEqual(teamAnswer([]), { rescaled: null, majority: null, meanConfidence: null });
});

test("confidences: 0 to 1 as they are, per cent divided, anything else none", () => {
  for (const [stated, value] of [
    [0, 0],
    [1, 1],
    ["0.85", 0.85],
    ["85%", 0.85],
    ["85 %", 0.85],
    ["1 %", 0.01],
    [85, 0.85],
    [100, 1],
    [2, 0.02],
    [1.5, null],
    [-0.1, null],
    [101, null],
    ["120%", null],
    ["high", null],
    ["", null],
    [null, null],
    [undefined, null],
    [Number.NaN, null],
  ] as const) {
    assert.equal(confidenceValue(stated), value, String(stated));
  }
  assert.equal(confidenceIn("Confidence: 0.3\nmore\nMy confidence level is 0.8."), 0.8);
  assert.equal(confidenceIn("**Confidence:** 95%"), 0.95);
  assert.equal(confidenceIn("confidence_level: 7.5"), null);
  assert.equal(confidenceIn("I have confidence in 3 of them"), null);
});

test("replies are read as an object, in a fence or in text, or as sentences", () => {
  const read = { answer: "4", key: "4", reasoning: "2+2", confidence: 0.9 };
  const object = says(4, 0.9, "2+2");
  for (const text of [object, `\`\`\`json\n${object}\n\`\`\``, `Here it is: ${object} I hope it helps.`]) {
    assert.deepEqual(readReply(text, MATH), read);
  }
  assert.deepEqual(readReply("2+2\nThe answer is 4.\nConfidence: 0.9", MATH), {
    ...read,
    reasoning: "2+2\nThe answer is 4.",
  });
});

test("an object with formulas, or one that was cut off, is read as far as it goes", () => {
  const formula = String.raw`{"reasoning": "\(\frac{1}{2}\) is \theta", "answer": "\frac{1}{2}", "confidence_level": 1}`;
  assert.deepEqual(
    [readReply(formula, MATH).answer, readReply(formula, MATH).reasoning],
    ["\\frac{1}{2}", "\\(\\frac{1}{2}\\) is \\theta"],
  );
  assert.equal(readReply('{"reasoning": "two lines\\nnow 5", "answer": 7', MATH).answer, "7");
  const cut = readReply('{"reasoning": "first 12, then 13', MATH);
  assert.deepEqual(
    [cut.answer, cut.reasoning],
    [null, "first 12, then 13"],
    "a number on the way is no answer",
  );
});

test("an answer field that says more than the answer is read as an answer is", () => {
  const choices = [
    { label: "A", text: "blue" },
    { label: "B", text: "red" },
  ];
  const choice = { task: "multiple-choice", choices } as const;
  for (const said of ["B", "(b)", "B) red", "red"])
    assert.equal(readReply(says(said), choice).answer, "B", said);
  assert.equal(readReply(says("5 apples"), MATH).answer, "5");
  assert.equal(readReply(says("I do not know"), MATH).answer, null);
  const yesNo = { task: "yes-no", choices: null } as const;
  assert.equal(readReply('{"answer": true, "reasoning": ["a", "b"]}', yesNo).answer, "yes");
  assert.equal(readReply('{"answer": true, "reasoning": ["a", "b"]}', yesNo).reasoning, "a\nb");
});
