// What is kept in memory of calls: places and counts, no texts.

import assert from "node:assert/strict";
import { statSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { CallJournal, type CallLine } from "../../src/debate/call-journal.ts";
import { scratchFolder } from "../support/scratch-folder.ts";
import { held, newFolder, question } from "./support/held-debates.ts";
import { says } from "./support/scripted-agents.ts";

const scratch = scratchFolder();
setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void; // the flag makes it

function heapBytes(): number {
  collect();
  return process.memoryUsage().heapUsed;
}

function lineOf(id: string, agent: string, text: string): CallLine {
  return {
    ...{ dataset: "sums", id, round: 0, agent, attempt: 0, started: "", ms: 1, seed: 1 },
    ...{ request: { text }, response: { text }, status: null, error: null, final: true },
    ...{ prompt_tokens: 1, completion_tokens: 1, usd: null },
  };
}

test("a journal keeps some hundred bytes of a call, and not its texts", () => {
  const file = path.join(newFolder(scratch), "journal.jsonl");
  const text = "word ".repeat(400);
  const calls = 5000;
  const before = heapBytes();
  const journal = CallJournal.open(file, { fresh: false });
  for (let call = 0; call < calls; call++)
    journal.add(lineOf(`question-${call % 500}`, `agent-${call / 500}`, text));
  const written = heapBytes() - before;
  journal.close();
  const beforeAgain = heapBytes();
  const again = CallJournal.open(file, { fresh: false });
  const read = heapBytes() - beforeAgain;
  assert.ok(statSync(file).size > calls * 4000);
  for (const bytes of [written, read]) assert.ok(bytes < calls * 400, `${bytes / calls} bytes a call`);
  assert.deepEqual(
    again.outcome({ dataset: "sums", id: "question-7", round: 0, agent: "agent-0.014" })?.request,
    {
      text,
    },
  );
  again.close();
});

test("what debates keep of a call has neither its request nor its answer", async () => {
  const run = await held({
    folder: newFolder(scratch),
    questions: [question("2+2")],
    names: ["a", "b"],
    react: () => ({ says: says(4) }),
  });
  const [node] = run.debates[0]?.nodes ?? [];
  assert.equal(node?.text, says(4));
  assert.deepEqual(Object.keys(node?.call ?? {}).sort(), [
    ...["agent", "attempt", "completion_tokens", "dataset", "error", "final", "id", "ms", "prompt_tokens"],
    ...["round", "seed", "started", "status", "usd"],
  ]);
  assert.deepEqual(
    Object.keys(run.ended[0] ?? {}),
    Object.keys(question("2+2")),
    "a run keeps questions alone",
  );
});
