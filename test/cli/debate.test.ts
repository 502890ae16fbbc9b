// The command magdi debate as users run it, against agents that are counted.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";
import { debateCommand } from "../../src/cli/debate.ts";
import { loadMags } from "../../src/mag/mag-file.ts";
import { loadBaselines } from "../../src/voting/baselines.ts";
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
const QUESTIONS = 6;
const sums = path.join(folder, "sums.jsonl");
const facts = path.join(folder, "facts.jsonl");
const agents = path.join(folder, "agents.json");

/** Set while c's fourth request is to be held. */
let onHeld: (() => void) | null = null;
let server: ScriptedAgents;

/** c is wrong at first about every other sum, and hears better; nobody agrees about facts. */
function react({ model, prompt }: Asked, nth: number): Reaction {
  if (onHeld !== null && model === "c" && nth === 3) {
    onHeld();
    return { silent: true };
  }
  const [, left = "", right = ""] = /What is (\d) \+ (\d)/.exec(prompt) ?? [];
  if (left === "") return { says: says(model === "a" ? "yes" : "no", 0.7) };
  const sum = Number(left) + Number(right);
  const isWrong = model === "c" && sum % 2 === 1 && !prompt.includes("Several agents");
  return { says: says(isWrong ? sum + 1 : sum, "90%", `${left} and ${right} make it, says ${model}.`) };
}

before(async () => {
  server = await scriptedAgents(react);
  const lines = Array.from({ length: QUESTIONS - 2 }, (_, index) =>
    JSON.stringify({ id: `sum-${index}`, question: `What is ${index} + 3?`, answer: String(index + 3) }),
  );
  writeFileSync(sums, `${lines.join("\n")}\n`);
  const fact = (id: string, use: string) => JSON.stringify({ id, question: "Is it so?", answer: "yes", use });
  writeFileSync(facts, `${[fact("one", "train"), fact("two", "train"), fact("test", "eval")].join("\n")}\n`);
  const agent = (name: string) => ({
    ...{ name, base_url: server.baseUrl, model: name, concurrency: 1, temperature: 0.7 },
    ...{ usd_per_million_input: 1, usd_per_million_output: 10 },
  });
  writeFileSync(agents, JSON.stringify({ agents: ["a", "b", "c"].map(agent) }));
});
after(() => server.close());

function args(out: string, ...more: readonly string[]): string[] {
  return ["debate", "--agents", agents, "--data", sums, facts, "--out", path.join(folder, out), ...more];
}

function lineCount(out: string): number {
  const file = path.join(folder, out, "journal.jsonl");
  return existsSync(file) ? readFileSync(file, "utf8").split("\n").length - 1 : 0;
}

function read(out: string, name: string): string {
  return readFileSync(path.join(folder, out, name), "utf8");
}

test("killed in the middle it goes on without one answer asked for again, to the same graphs", async () => {
  const held = new Promise<void>((resolve) => {
    onHeld = resolve;
  });
  const child = spawn(process.execPath, [COMMAND, ...args("killed")], { stdio: "ignore" });
  const exited = once(child, "exit");
  await held;
  // Four answers of a and b each, three of c, and the first line.
  await until(() => lineCount("killed") === 12);
  child.kill("SIGKILL");
  await exited;
  onHeld = null;
  assert.equal(server.answered.length, 11);

  const resumed = await magdi(...args("killed"));
  assert.equal(resumed.code, 0, resumed.stderr);
  const calls = server.answered.map(({ model, seed }) => `${model} ${seed}`);
  assert.equal(new Set(calls).size, calls.length, "no call was answered twice");

  const whole = await magdi(...args("whole"));
  assert.equal(whole.code, 0, whole.stderr);
  assert.equal(server.answered.length, 2 * calls.length);
  assert.equal(read("killed", "mags.jsonl"), read("whole", "mags.jsonl"));
  assert.equal(lineCount("killed"), lineCount("whole"), "the call that was held was never answered");
});

test("graphs are for training, costs are the agents' own counts", async () => {
  const mags = await loadMags([path.join(folder, "whole", "mags.jsonl")], { use: "train" });
  assert.deepEqual(
    mags.map(({ id, benchmark, task, nodes, edges }) => [id, benchmark, task, nodes.length, edges.length]),
    [
      ["transcripts/sum-0", "sums", "math", 6, 9], // 3: c is wrong at first
      ["transcripts/sum-1", "sums", "math", 3, 0],
      ["transcripts/sum-2", "sums", "math", 6, 9],
      ["transcripts/sum-3", "sums", "math", 3, 0],
      ["transcripts/one", "facts", "yes-no", 12, 27],
      ["transcripts/two", "facts", "yes-no", 12, 27],
    ],
  );
  assert.deepEqual(
    mags[0]?.nodes.map(({ agent, round, answer, label }) => [agent, round, answer, label]),
    [
      ["a", 0, "3", 1],
      ["b", 0, "3", 1],
      ["c", 0, "4", 0],
      ["a", 1, "3", 1],
      ["b", 1, "3", 1],
      ["c", 1, "3", 1],
    ],
  );
  const report = JSON.parse(read("whole", "report.json"));
  for (const { agent, prompt_tokens: prompt, completion_tokens: completion, usd } of report.agents) {
    const count = server.counts.get(agent);
    // Both runs had the same answers.
    assert.deepEqual([2 * prompt, 2 * completion], [count?.promptTokens, count?.completionTokens]);
    assert.equal(usd, (prompt + 10 * completion) / 1e6);
  }
  const [sumsReport] = report.results;
  assert.deepEqual([sumsReport.debates, sumsReport.consensus, sumsReport.ended_in_round], [4, 4, [2, 2]]);
  assert.deepEqual([sumsReport.wrong_to_right, sumsReport.right_to_wrong], [2, 0]);
  assert.deepEqual(sumsReport.team.rescaled, { right: 4, of: 4 });
  assert.match(read("whole", "report.md"), /\| c \| 2 of 4 \(50\.0 %\) \| 2 of 2 \(100\.0 %\) \|/);
  const baselines = loadBaselines(path.join(folder, "whole", "baselines.json"));
  const debates = read("whole", "transcripts.jsonl")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  const facts = debates.filter(({ task }) => task === "yes-no");
  const tokens = facts.flatMap((debate) =>
    debate.agents.map((node: { completion_tokens: number }) => node.completion_tokens),
  );
  const mean = tokens.reduce((sum: number, count: number) => sum + count, 0) / facts.length;
  assert.equal(baselines.select("yes-no").tokens, Math.round(10 * mean) / 10);
  assert.match(baselines.select("yes-no").source, /2 debates of a, b, c, and \d+ of prompts$/);
});

test("an estimate's answers are kept, and a budget says how to go on", async () => {
  const already = server.answered.length;
  const estimate = await magdi(...args("estimated", "--estimate", "--estimate-questions", "2"));
  assert.equal(estimate.code, 0, estimate.stderr);
  assert.match(
    estimate.stdout,
    /^6 questions, from 4 debates: about 48 calls, \d+ tokens of prompts and \d+ generated, \$0\.\d+/,
  );
  const kept = server.answered.length - already;
  const stopped = await magdi(...args("estimated", "--max-tokens", "10"));
  assert.equal(stopped.code, 1);
  assert.match(stopped.stderr, /--max-tokens 10 are used up; run the same command again to continue/);
  assert.equal(server.answered.length, already + kept, "answers of the estimate are used up tokens");
  assert.equal(read("estimated", "mags.jsonl").trim().split("\n").length, 4);
});

test("what is missing or wrong is said before anything is asked", async () => {
  await assert.rejects(debateCommand.run(["--agents", agents]), { code: "MAGDI_BAD_CONFIG" });
  await assert.rejects(debateCommand.run(["--agents", "none.json", ...args("x").slice(3)]), {
    code: "MAGDI_FILE_MISSING",
  });
  await assert.rejects(debateCommand.run([...args("x").slice(1), "--rounds", "-1"]), {
    code: "MAGDI_BAD_CONFIG",
  });
});
