// The report of debates, out of their folders.

import assert from "node:assert/strict";
import { rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { readDebateFolders } from "../../src/debate/debate-folder.ts";
import { debatePage } from "../../src/debate/debate-page.ts";
import { debateReport } from "../../src/debate/debate-report.ts";
import { debateFiles } from "../../src/debate/write-debates.ts";
import { writeDebateReport } from "../../src/debate/write-report.ts";
import { scratchFolder } from "../support/scratch-folder.ts";
import { held, newFolder, question } from "./support/held-debates.ts";
import { type Asked, type Reaction, says } from "./support/scripted-agents.ts";

const scratch = scratchFolder();
const FACT = { dataset: "facts", task: "yes-no", gold: "yes" } as const;
const QUESTIONS = [question("2+2"), question("persuaded"), question("fact", FACT)];

/**
 * About 2+2 all are right at once. About the next one a alone is right in round 0, then a and b, then all; c fails in round
 * 1. About the fact all agree on the wrong answer in the end, of which a alone was right at first.
 */
function react({ model, prompt }: Asked): Reaction {
  const round = prompt.includes("I hear") ? 2 : prompt.includes("Several agents") ? 1 : 0;
  const say = (answer: number | string, confidence: number): Reaction => ({
    says: says(answer, confidence, round > 0 ? "I hear" : "I think"),
  });
  if (prompt.includes("2+2")) return say(4, 0.9);
  if (prompt.includes("persuaded")) {
    if (model === "c" && round === 1) return { status: 400 };
    return say(
      model === "a" || round === 2 ? 4 : model === "b" && round === 1 ? 3 : 5,
      model === "a" ? 1 : 0.7,
    );
  }
  return say(model === "a" && round === 0 ? "yes" : "no", 0.5);
}

const folder = newFolder(scratch);
const run = await held({ folder, questions: QUESTIONS, react, write: true });

test("a report has accuracy, tokens and money by agent, round and vote, and who was turned", async () => {
  const report = debateReport([{ name: "run", folder: await readDebateFolders([folder]) }]);
  const [{ results, agents, begun, debates, prompts_sha256: prompts }] = report.runs as [
    (typeof report.runs)[0],
  ];
  assert.deepEqual([begun, debates, prompts], [3, 3, ["abc"]]);
  assert.deepEqual(
    results.map(({ dataset, task }) => [dataset, task]),
    [
      ["sums", "math"],
      ["facts", "yes-no"],
      [null, null],
    ],
  );
  const [sums, facts, all] = results;
  assert.deepEqual(sums?.ended_in_round, [1, 0, 1]);
  assert.deepEqual(facts?.ended_in_round, [0, 1]);
  assert.deepEqual([sums?.consensus.right, sums?.consensus.of, sums?.consensus.accuracy], [2, 2, 1]);
  const scores = sums?.by_agent.map(({ agent, rounds }) => [
    agent,
    ...rounds.map(({ right, of }) => `${right}/${of}`),
  ]);
  assert.deepEqual(scores, [
    ["a", "2/2", "1/1", "1/1"],
    ["b", "1/2", "0/1", "1/1"],
    ["c", "1/2", "0/0", "1/1"],
  ]);
  assert.deepEqual(
    [sums?.wrong_to_right, sums?.right_to_wrong, facts?.wrong_to_right, facts?.right_to_wrong],
    [2, 0, 0, 1],
  );
  assert.deepEqual(
    all?.by_agent.map((one) => [one.agent, one.wrong_to_right, one.right_to_wrong]),
    [
      ["a", 0, 1],
      ["b", 1, 0],
      ["c", 1, 0],
    ],
  );
  // After round 0 of the second: 4 with a weight of 1 against 5 with 0.3 and 0.3; two votes against one.
  const votes = sums?.after_round.map(({ team }) => [
    team.rescaled.right,
    team.majority.right,
    team.mean_confidence.right,
  ]);
  assert.deepEqual(votes, [
    [2, 1, 2],
    [2, 2, 2],
    [2, 2, 2],
  ]);
  // c has no answer in round 1: that of round 0 stands.
  assert.deepEqual(
    sums?.after_round.map(({ agents: after }) => after.map(({ right }) => right)),
    [
      [2, 1, 1],
      [2, 1, 1],
      [2, 2, 2],
    ],
  );
  assert.deepEqual(
    all?.team.rescaled.accuracy_ci95.map((share) => share.toFixed(3)),
    ["0.208", "0.939"],
  );
  const calls = run.debates.flatMap(({ nodes }) => nodes.map(({ call }) => call));
  const mean = (of: (call: (typeof calls)[0]) => number | null) =>
    calls.reduce((sum, call) => sum + (of(call) ?? 0), 0) / 3;
  assert.equal(
    all?.completion_tokens_mean,
    mean((call) => call.completion_tokens),
  );
  assert.equal(
    all?.prompt_tokens_mean,
    mean((call) => call.prompt_tokens),
  );
  assert.equal(all?.usd_mean?.toFixed(9), mean((call) => call.usd).toFixed(9));
  assert.equal(all?.after_round.at(-1)?.completion_tokens_mean, all?.completion_tokens_mean);
  const ledger = run.ledger.byAgent();
  for (const one of agents) {
    const { calls: made, failedCalls, promptTokens, usd } = ledger.get(one.agent)!;
    assert.deepEqual([one.calls, one.failed_calls, one.prompt_tokens], [made, failedCalls, promptTokens]);
    assert.equal(one.usd?.toFixed(9), usd?.toFixed(9));
  }
  assert.deepEqual(
    agents.map(({ missing_nodes: missing, model }) => [missing, model]),
    [
      [0, "a"],
      [0, "b"],
      [1, "c"],
    ],
  );
  const page = debatePage(report, [{ title: "Figure", file: "x.svg" }]);
  assert.match(page, /\n\| a \| 2 of 2: 100\.0 % \(34\.2–100\.0\) \| 1 of 1/);
  assert.match(page, /\n!\[Figure\]\(x\.svg\)\n/);
  assert.doesNotMatch(page, /undefined|NaN|\[object/);
});

test("runs side by side; folders of one name are one run, but not with a question twice", async () => {
  const other = newFolder(scratch);
  await held({ folder: other, questions: [question("fact", FACT), question("2*2")], react, write: true });
  const first = await readDebateFolders([folder]);
  const second = await readDebateFolders([other]);
  const page = debatePage(
    debateReport([
      { name: "one", folder: first },
      { name: "two", folder: second },
    ]),
    [],
  );
  assert.match(page, /\n# one\n[\s\S]*\n# two\n/);
  await assert.rejects(readDebateFolders([folder, other]), {
    code: "MAGDI_BAD_CONFIG",
    message: /question fact \(facts\) is in .* too; give the folders different names: NAME=FOLDER$/,
  });
  const third = newFolder(scratch);
  await held({ folder: third, questions: [question("2*2")], react, write: true });
  const both = await readDebateFolders([folder, third]);
  assert.deepEqual([both.debates.length, both.begun], [4, 4]);
  const calls = (of: typeof both) => of.costs.reduce((sum, one) => sum + one.calls, 0);
  assert.equal(calls(both), calls(first) + calls(await readDebateFolders([third])));
});

test("transcripts are enough; without them it says what to do", async () => {
  const bare = newFolder(scratch);
  await held({ folder: bare, questions: [question("2+2")], react, write: true });
  rmSync(debateFiles(bare).journal);
  const { debates, costs, begun } = await readDebateFolders([bare]);
  assert.deepEqual([debates.length, costs.length, begun], [1, 0, 1]);
  writeFileSync(debateFiles(bare).transcripts, "");
  const empty = await writeDebateReport([{ name: "empty", folders: [bare] }], path.join(bare, "report.json"));
  assert.deepEqual(
    empty.files.map((file) => path.basename(file)),
    ["report.json", "report.md"],
    "a run that was stopped before any debate had ended",
  );
  rmSync(debateFiles(bare).transcripts);
  await assert.rejects(readDebateFolders([bare]), {
    code: "MAGDI_FILE_MISSING",
    message: /expected transcripts\.jsonl of magdi debate, found none; run magdi debate there to its end/,
  });
});
