// What a rehearsal reads in a debate's folder.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import {
  accuraciesIn,
  callsIn,
  countsOf,
  repeatedIn,
  transcriptsIn,
} from "../../loadtest/debate/debate-folder.ts";
import { since } from "../../loadtest/debate/served-agents.ts";
import { scratchFolder } from "../support/scratch-folder.ts";

const folder = scratchFolder();

const call = (id: string, agent: string, more: object = {}) => ({
  ...{ dataset: "sums", id, round: 0, agent, error: null },
  ...{ prompt_tokens: 10, completion_tokens: 2, request: {}, ...more },
});

test("calls are counted by agent, failed ones left out, a line that was cut off too", () => {
  const lines = [
    { magdi_debate_journal: 1 },
    call("1", "a", { error: "status 500" }),
    call("1", "a"),
    call("1", "b"),
    call("2", "a", { round: 1, completion_tokens: 5 }),
  ];
  const text = lines.map((line) => JSON.stringify(line)).join("\n");
  writeFileSync(path.join(folder, "journal.jsonl"), `${text}\n{"dataset":"sums","id":"3`);
  const calls = callsIn(folder);
  assert.equal(calls.length, 4);
  assert.equal(repeatedIn(calls), 0, "the failed one was made again");
  assert.equal(repeatedIn([...calls, call("1", "b")]), 1);
  const counts = countsOf(calls, ["a", "b"]);
  assert.deepEqual(counts.get("a"), { calls: 2, promptTokens: 20, completionTokens: 7 });
  const later = new Map([["a", { calls: 5, promptTokens: 50, completionTokens: 20 }]]);
  assert.deepEqual(since(counts, later).get("a"), { calls: 3, promptTokens: 30, completionTokens: 13 });
});

test("who was right is counted in the first round and the last, and for each vote by value", () => {
  const node = (agent: string, round: number, correct: boolean) => ({ agent, round, correct });
  const transcript = (nodes: readonly object[], majority: string | null) => ({
    ...{ task: "math", gold: "4", choices: null, consensus: true, agents: nodes, team: { majority } },
  });
  const lines = [
    transcript([node("a", 0, false), node("b", 0, true), node("a", 1, true)], "4.0"),
    transcript([node("a", 0, true)], null),
  ];
  const file = path.join(folder, "transcripts.jsonl");
  writeFileSync(file, `${lines.map((line) => JSON.stringify(line)).join("\n")}\n`);
  assert.deepEqual(accuraciesIn(transcriptsIn(folder), ["a", "b"]), [
    ["a, round 0", "1 of 2 (50.0 %)"],
    ["a, last round", "2 of 2 (100.0 %)"],
    ["b, round 0", "1 of 1 (100.0 %)"],
    ["b, last round", "1 of 1 (100.0 %)"],
    ["vote majority", "1 of 2 (50.0 %)"],
  ]);
});
