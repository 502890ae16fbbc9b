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
  await assert.rejects(debateCommand.run(args("killed").slice(1)), {
    code: "MAGDI_BAD_CONFIG",
    message: new RegExp(`expected no other run in this folder, found process ${child.pid}, since 20`),
  });
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
  const [report] = JSON.parse(read("whole", "report.json")).runs;
  for (const { agent, prompt_tokens: prompt, completion_tokens: completion, usd } of report.agents) {
    const count = server.counts.get(agent);
    // Both runs had the same answers.
    assert.deepEqual([2 * prompt, 2 * completion], [count?.promptTokens, count?.completionTokens]);
    assert.equal(usd.toFixed(9), ((prompt + 10 * completion) / 1e6).toFixed(9));
  }
  const [sumsReport] = report.results;
  const { debates: sumsDebates, consensus, ended_in_round: ended, team } = sumsReport;
  assert.deepEqual([sumsDebates, consensus.right, ended], [4, 4, [2, 2]]);
  assert.deepEqual([sumsReport.wrong_to_right, sumsReport.right_to_wrong], [2, 0]);
  assert.deepEqual([team.rescaled.right, team.rescaled.of], [4, 4]);
  const page = read("whole", "report.md");
  assert.match(page, /\| c \| 2 of 4: 50\.0 % \(15\.0–85\.0\) \| 2 of 2: 100\.0 % \(34\.2–100\.0\) \|/);
  for (const figure of ["report.rounds.svg", "report.tokens.svg"]) {
    assert.ok(page.includes(`(${figure})`));
    assert.match(read("whole", figure), /^<svg /);
  }
  assert.ok(!existsSync(path.join(folder, "whole", "lock")));
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
    /^6 questions, from 4 debates: about \d+ \(\d+ to \d+\) calls, \d+ \(.*\) tokens of prompts and \d+ \(.*\) generated, \$0\.\d+/,
  );
  assert.match(
    estimate.stdout,
    /\nsums: 4 questions, from 2 of its debates, 2 of them counted as they were\n/,
  );
  const kept = server.answered.length - already;
  const stopped = await magdi(...args("estimated", "--max-tokens", "10"));
  assert.equal(stopped.code, 1);
  assert.match(stopped.stderr, /--max-tokens 10 are used up; run the same command again to continue/);
  assert.equal(server.answered.length, already + kept, "answers of the estimate are used up tokens");
  assert.equal(read("estimated", "mags.jsonl").trim().split("\n").length, 4);
});

test("earlier debates tell what others will cost, and nobody is asked", async () => {
  const already = server.answered.length;
  const more = path.join(folder, "more.jsonl");
  writeFileSync(more, `${JSON.stringify({ id: "m", question: "What is 20 + 3?", answer: "23" })}\n`);
  const from = path.join(folder, "whole");
  const given = ["debate", "--agents", agents, "--data", more, "--estimate-from", from];
  const { stdout, stderr, code } = await magdi(...given);
  assert.equal(code, 0, stderr);
  assert.match(stdout, /^1 questions, from 6 debates in \S+whole: about \d+ \(\d+ to \d+\) calls/);
  assert.match(
    stdout,
    /\nmore: 1 questions, from 4 debates of other data sets with the same task\nnothing was asked/,
  );
  assert.equal(server.answered.length, already);
});

test("agents alone, until they have cost as much as the debates, with the answers of round 0 among theirs", async () => {
  const already = server.answered.length;
  const first = await magdi(...args("whole", "--self-consistency", "c"));
  assert.equal(first.code, 0, first.stderr);
  const paid = server.answered.slice(already);
  assert.deepEqual([...new Set(paid.map(({ model }) => model))], ["c"]);
  assert.ok(!paid.some(({ prompt }) => prompt.includes("Several agents")));
  const { runs } = JSON.parse(read("whole", "report.json"));
  const [alone] = runs[0].results[0].self_consistency;
  assert.deepEqual([alone.agent, alone.questions, alone.by_samples[0].right], ["c", 4, 2]);
  assert.ok(alone.at_generated_tokens.completion_tokens_mean >= runs[0].results[0].completion_tokens_mean);
  assert.equal(alone.at_all_tokens.against_debate.difference, 0.5, "the team is right in all four");
  const again = path.join(folder, "again.json");
  const { stdout, code, stderr } = await magdi(
    "debate",
    "report",
    path.join(folder, "whole"),
    "--json",
    again,
  );
  assert.equal(code, 0, stderr);
  assert.match(stdout, /again\.json, .*again\.md, .*again\.rounds\.svg, .*again\.tokens\.svg\n$/);
  assert.equal(readFileSync(again, "utf8"), read("whole", "report.json"), "the same report");
  assert.equal(server.answered.length, already + paid.length);
});

test("what is missing or wrong is said before anything is asked", async () => {
  await assert.rejects(debateCommand.run(["--agents", agents]), { code: "MAGDI_BAD_CONFIG" });
  await assert.rejects(debateCommand.run(["--agents", "none.json", ...args("x").slice(3)]), {
    code: "MAGDI_FILE_MISSING",
  });
  await assert.rejects(debateCommand.run([...args("x").slice(1), "--self-consistency", "d"]), {
    message: "--self-consistency: expected some of a, b, c, found d",
  });
  await assert.rejects(debateCommand.run(["report", path.join(folder, "none")]), {
    code: "MAGDI_FILE_MISSING",
  });
  await assert.rejects(debateCommand.run([...args("x").slice(1), "--rounds", "-1"]), {
    code: "MAGDI_BAD_CONFIG",
  });
});
