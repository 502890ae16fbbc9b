// magdi debate convince and --convincing as users run them, against agents that are counted.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";
import {
  type Asked,
  type Reaction,
  type ScriptedAgents,
  says,
  scriptedAgents,
} from "../debate/support/scripted-agents.ts";
import { until } from "../server/support/until.ts";
import { COMMAND, magdi } from "../support/magdi-command.ts";
import { scratchFolder } from "../support/scratch-folder.ts";

const folder = scratchFolder();
const file = (name: string) => path.join(folder, name);
const agents = file("agents.json");
const sums = file("gsm8k.jsonl");
const samples = file("convincing.jsonl");

let server: ScriptedAgents;
let onHeld: (() => void) | null = null;

/** a and b are wrong until a sum is explained to them; a's third request may be held. */
function react({ model, prompt }: Asked, nth: number): Reaction {
  if (onHeld !== null && model === "a" && nth === 2) {
    onHeld();
    return { silent: true };
  }
  const [, left = "", right = ""] = /What is (\d+) \+ (\d+)\?[^?]*$/.exec(prompt) ?? [];
  const isExplained = prompt.includes("Answer it given this explanation");
  return { says: says(Number(left) + Number(right) + (isExplained ? 0 : 1), 0.9) };
}

before(async () => {
  server = await scriptedAgents(react);
  const agent = (name: string) => ({ name, base_url: server.baseUrl, model: name, concurrency: 1 });
  writeFileSync(agents, JSON.stringify({ agents: ["a", "b"].map(agent) }));
  const sum = (index: number, more: object = {}) => ({
    question: `What is ${index} + 3?`,
    answer: `Count on from <<3>>3 by ${index}.\n#### ${index + 3}`,
    ...more,
  });
  const records = [0, 1, 2, 3, 4, 5].map((index) => sum(index));
  // For evaluation, and the same in other words' spaces for training.
  records.push(sum(7, { use: "eval" }), sum(7, { question: "what is 7 +  3?" }));
  writeFileSync(sums, `${records.map((record) => JSON.stringify(record)).join("\n")}\n`);
});
after(() => server.close());

const CONVINCE = [
  "debate",
  "convince",
  "--agents",
  agents,
  "--data",
  sums,
  "--out",
  samples,
  "--samples",
  "2",
];

test("collecting goes on after a kill without a call made twice, and never asks what is for evaluation", async () => {
  const held = new Promise<void>((resolve) => {
    onHeld = resolve;
  });
  const child = spawn(process.execPath, [COMMAND, ...CONVINCE], { stdio: "ignore" });
  const exited = once(child, "exit");
  await held;
  await until(() => server.answered.length === 6); // two of a, all four of b
  await until(() => readFileSync(`${samples}.journal.jsonl`, "utf8").split("\n").length === 8);
  child.kill("SIGKILL");
  await exited;
  onHeld = null;

  const { code, stdout, stderr } = await magdi(...CONVINCE);
  assert.equal(code, 0, stderr);
  assert.match(stdout, /^a, gsm8k: 2 of 2 samples; 2 of 6 questions asked, 2 answered wrongly$/m);
  assert.match(
    stderr,
    /^1 of 7 questions cannot be used: they have no explanation, or are for evaluation too$/m,
  );
  const calls = server.answered.map(({ model, seed }) => `${model} ${seed}`);
  assert.deepEqual([calls.length, new Set(calls).size], [8, 8]);
  assert.ok(server.answered.every(({ prompt }) => !/7 \+/.test(prompt)));
  const lines = readFileSync(samples, "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  assert.deepEqual(
    lines.map(({ agent, dataset }) => `${agent} ${dataset}`),
    ["a gsm8k", "a gsm8k", "b gsm8k", "b gsm8k"],
  );
  assert.match(lines[0].explanation, /^Count on from 3 by \d\.$/);
});

test("a debate shows each agent what convinced the other, and never the question itself", async () => {
  const before = server.answered.length;
  const out = file("debates");
  const debate = ["debate", "--agents", agents, "--data", sums, "--out", out, "--rounds", "1"];
  const { code, stderr } = await magdi(...debate, "--convincing", samples, "--convincing-samples", "1");
  assert.equal(code, 0, stderr);
  assert.doesNotMatch(stderr, /convincing\.jsonl/, "there are enough");
  const asked = server.answered.slice(before);
  assert.equal(asked.length, 14, "7 questions, on which both agree");
  const collected = readFileSync(samples, "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  for (const { model, prompt } of asked) {
    const [first, second] = collected.filter(({ agent }) => agent !== model);
    const isFirst =
      prompt.endsWith(first.question) || prompt.includes(`Question: ${first.question}\n\nThink`);
    assert.ok(
      prompt.includes(`Question: ${(isFirst ? second : first).question}\nExplanation: Count`),
      prompt,
    );
    assert.equal(prompt.split("Explanation: ").length, 2, "one is shown");
  }
  const [transcript = ""] = readFileSync(path.join(out, "transcripts.jsonl"), "utf8").split("\n");
  const { convincing_sha256: hash, convincing_samples: count } = JSON.parse(transcript);
  assert.match(hash, /^[0-9a-f]{64}$/);
  assert.equal(count, 1);
});

test("samples of others, and questions that nobody explained, are refused", async () => {
  const strange = file("strange.jsonl");
  writeFileSync(strange, readFileSync(samples, "utf8").replaceAll(/"agent":"[ab]"/g, '"agent":"z"'));
  const plain = file("plain.jsonl");
  writeFileSync(plain, '{"id": "1", "question": "What is 1 + 3?", "answer": "4"}\n');
  const to = ["--agents", agents, "--out", file("x")];
  const [debate, convince] = await Promise.all([
    magdi("debate", ...to, "--data", sums, "--convincing", strange),
    magdi("debate", "convince", ...to, "--data", plain),
  ]);
  assert.match(
    debate.stderr,
    /strange\.jsonl: expected samples of a, b for the data sets or tasks .*, found none/,
  );
  assert.match(
    convince.stderr,
    /plain\.jsonl: expected questions with an explanation in one of the fields .*, found none in 1/,
  );
  assert.deepEqual([debate.code, convince.code], [2, 1]);
});
