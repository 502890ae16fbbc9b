// Views of debates, made of transcripts that were held, of graphs, and of what others recorded; and their text.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { before, test } from "node:test";
import { debateList, debateText } from "../../../src/debate/page/debate-text.ts";
import type { DebateView } from "../../../src/debate/page/debate-view.ts";
import { findDebate, readDebates } from "../../../src/debate/page/read-debates.ts";
import { viewOfRecord } from "../../../src/debate/page/view-of-record.ts";
import { debateFiles } from "../../../src/debate/write-debates.ts";
import { magdi } from "../../support/magdi-command.ts";
import { fixture, scratchFolder } from "../../support/scratch-folder.ts";
import { type Asked, type Reaction, says, scriptedAgents } from "../support/scripted-agents.ts";

const folder = scratchFolder();
const debates = path.join(folder, "debates");
const files = debateFiles(debates);

/** Of 2+2: a is right, b hears it, c is missing at first and then refuses. Of 3+1 all are right at once. */
function react({ model, prompt }: Asked): Reaction {
  if (prompt.includes("3+1")) return { says: says("4") };
  const isFirst = !prompt.includes("Several agents");
  if (model === "c") return isFirst ? { status: 500 } : { says: "", refusal: "I will not." };
  return { says: says(model === "b" && isFirst ? "5" : "4", isFirst ? null : 0.8) };
}

before(async () => {
  const server = await scriptedAgents(react);
  const file = (name: string, text: string): string => {
    writeFileSync(path.join(folder, name), text);
    return path.join(folder, name);
  };
  const cost = { usd_per_million_input: 1, usd_per_million_output: 10, retries: 0 };
  const agents = ["a", "b", "c"].map((name) => ({ name, base_url: server.baseUrl, model: name, ...cost }));
  const questions = ["2+2", "3+1"].map((id) =>
    JSON.stringify({ id, question: `What is ${id}?`, answer: "4" }),
  );
  const from = [
    "--agents",
    file("agents.json", JSON.stringify({ agents })),
    "--data",
    file("sums.jsonl", questions.join("\n")),
  ];
  const { code, stderr } = await magdi("debate", ...from, "--out", debates, "--rounds", "1");
  await server.close();
  assert.equal(code, 0, stderr);
});

const outline = ({ nodes, answers }: DebateView) => ({
  nodes: nodes.map(({ agent, round, answer, group }) => [agent, round, answer, group]),
  answers: answers.map(({ text, correct }) => [text, correct]),
});

test("a transcript's view has its nodes by value, who is missing, refuses, heard whom, and what it came to", async () => {
  const view = await findDebate(debates, "2+2");
  assert.deepEqual(outline(view), {
    nodes: [
      ["a", 0, "4", 0],
      ["b", 0, "5", 1],
      ["a", 1, "4", 0],
      ["b", 1, "4", 0],
      ["c", 1, null, null],
    ],
    answers: [
      ["4", true],
      ["5", false],
    ],
  });
  assert.deepEqual(view.agents, ["a", "b", "c"]);
  assert.deepEqual(view.models, ["a", "b", "c"]);
  assert.deepEqual(
    view.missing.map(({ agent, round }) => [agent, round]),
    [["c", 0]],
  );
  assert.match(view.missing[0]?.error ?? "", /500/);
  assert.deepEqual(
    view.edges,
    [0, 1]
      .flatMap((from) => [2, 3, 4].map((to) => [from, to]))
      .sort((a, b) => a[1]! - b[1]! || a[0]! - b[0]!),
  );
  assert.deepEqual(
    view.votes.map(({ name, answer, group }) => [name, answer, group]),
    [
      ["rescaled confidences", "4", 0],
      ["majority", "4", 0],
      ["mean confidence", "4", 0],
    ],
  );
  assert.equal(view.consensus, false, "one of three refused");
  const [first, , , , refusing] = view.nodes;
  assert.deepEqual([first?.confidence, refusing?.refused, refusing?.reasoning], [null, true, "I will not."]);
  assert.ok((first?.promptTokens ?? 0) > 0 && (first?.usd ?? 0) > 0);
  assert.match(first?.text ?? "", /"reasoning"/);
});

test("a graph's view has its edges and labels, and one vote over its last round", async () => {
  const views: DebateView[] = [];
  for await (const view of readDebates(files.mags)) views.push(view);
  assert.deepEqual(
    views.map(({ id, consensus }) => [id, consensus]),
    [
      ["transcripts/2+2", false],
      ["transcripts/3+1", true],
    ],
  );
  const [view] = views;
  assert.deepEqual(outline(view!), outline(await findDebate(debates, "2+2")));
  assert.deepEqual(view?.edges, (await findDebate(debates, "2+2")).edges);
  assert.deepEqual(view?.votes, [{ name: "majority", answer: "4", group: 0 }]);
  assert.equal((await findDebate(files.mags, "3+1")).id, "transcripts/3+1");
});

test("what others recorded is shown too: turns, an unknown right answer, an agent that speaks twice", async () => {
  const first = await findDebate(fixture("mags", "dylan_debate_math_test.jsonl"), "math-test-961");
  assert.ok(first.nodes.length > 3 && first.answers.every(({ correct }) => correct !== null));
  const said = (agent: string, answer: string | null) => ({ agent, round: 0, reasoning: "Because.", answer });
  const view = viewOfRecord(
    {
      question: "Who?",
      gold: "",
      task: "yes-no",
      agents: [said("a", "yes"), said("a", "no"), said("b", "Yes"), said("c", null)],
    },
    "x:1",
    "7",
  );
  assert.equal(view.id, "7");
  assert.equal(view.gold, null);
  assert.deepEqual(outline(view), {
    nodes: [
      ["a", 0, "yes", 0],
      ["b", 0, "Yes", 0],
      ["c", 0, null, null],
    ],
    answers: [["yes", null]],
  });
  const broken = { question: "Who?", gold: "4", agents: [{ ...said("a", "4"), confidence: "sure" }] };
  assert.throws(() => viewOfRecord(broken, "x:2", "1"), /x:2: agents\.0\.confidence: expected a number/);
});

test("an id that is not there suggests near ones; one of several benchmarks is asked for by name", async () => {
  await assert.rejects(
    findDebate(debates, "2+3"),
    /expected the id of one of its 2 debates, found 2\+3; did you mean 2\+2\?/,
  );
  await assert.rejects(findDebate(debates, "zzzzzz"), /see all of them: magdi debate show/);
  const file = path.join(folder, "two.jsonl");
  const line = (benchmark: string) =>
    JSON.stringify({
      id: "1",
      benchmark,
      question: "Who?",
      gold: "4",
      agents: [{ agent: "a", reasoning: "4" }],
    });
  writeFileSync(file, `${line("x")}\n${line("y")}\n`);
  await assert.rejects(findDebate(file, "1"), /expected one debate 1, found 2; name one: x\/1, y\/1/);
  assert.equal((await findDebate(file, "y/1")).benchmark, "y");
  await assert.rejects(findDebate(path.join(folder, "none.jsonl"), "1"), /none\.jsonl/);
  await assert.rejects(findDebate(folder, "1"), /expected transcripts.jsonl or mags.jsonl/);
});

test("as text: agents are columns, rounds rows; a list has a line for each", async () => {
  const text = debateText(await findDebate(debates, "2+2"));
  const rows = text.split("\n").map((line) => line.split(/ {2,}/));
  assert.deepEqual(
    rows.filter(([name]) => ["round", "0", "1"].includes(name ?? "")),
    [
      ["round", "a", "b", "c"],
      ["0", "4 right", "5 wrong", "failed"],
      ["1", "4 right 0.80", "4 right 0.80", "refused"],
    ],
  );
  assert.match(text, /^right answer: 4$/m);
  assert.match(text, /^rescaled confidences: 4 right, majority: 4 right, mean confidence: 4 right$/m);
  assert.match(text, /^5 answers, \d+ tokens of prompts and \d+ generated, \$0\.00\d\d$/m);
  const list = await debateList(readDebates(debates));
  assert.match(list, /^2\+2 +sums +2 +no consensus +4 right +What is 2\+2\?$/m);
  assert.match(list, /^3\+1 +sums +1 +consensus +4 right +What is 3\+1\?$/m);
  assert.match(list, /\n2 debates, 1 to consensus$/);
});

test("a text moves no cursor and colours nothing", () => {
  const hostile = "\u001b[31mred\u0007\r\nnext\u202e";
  const record = {
    id: hostile,
    question: hostile,
    gold: hostile,
    choices: [hostile, "b"],
    agents: [{ agent: hostile, reasoning: hostile, answer: hostile }],
  };
  const text = debateText(viewOfRecord(record, "x", "1"));
  // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what is looked for
  assert.doesNotMatch(text, /[\u0000-\u0009\u000b-\u001f\u202e]/);
});
