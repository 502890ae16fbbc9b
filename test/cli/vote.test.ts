// The command magdi vote as users run it.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { COMMAND, magdi } from "../support/magdi-command.ts";
import { scratchFolder } from "../support/scratch-folder.ts";

const folder = scratchFolder();
const FIRST = {
  task: "math",
  samples: [{ text: "It is 1,000." }, { text: "#### 1000" }, { text: "\\boxed{7}" }],
};
const SECOND = { choices: ["red", "blue"], samples: [{ text: "The answer is (B)." }] };

test("a line in, a line out, from a file and from standard input", async () => {
  const lines = `${JSON.stringify(FIRST)}\n\n${JSON.stringify(SECOND)}\n`;
  const file = path.join(folder, "texts.jsonl");
  writeFileSync(file, lines);
  const { code, stdout, stderr } = await magdi("vote", file);
  assert.equal(code, 0, stderr);
  const votes = stdout.trimEnd().split("\n");
  assert.deepEqual(JSON.parse(votes[0] ?? ""), {
    task: "math",
    answer: "1000",
    votes: [
      { answer: "1000", count: 2, weight: 2, share: 2 / 3 },
      { answer: "7", count: 1, weight: 1, share: 1 / 3 },
    ],
    tied: false,
    samples: [{ answer: "1000" }, { answer: "1000" }, { answer: "7" }],
  });
  assert.equal(JSON.parse(votes[1] ?? "").answer, "B");

  const child = spawn(process.execPath, [COMMAND, "vote"], { stdio: ["pipe", "pipe", "inherit"] });
  child.stdin.end(lines);
  assert.equal(await text(child.stdout), stdout);
});

test("a line that cannot be read is named, and what came before it is there", async () => {
  const file = path.join(folder, "broken.jsonl");
  for (const [broken, message] of [
    ["{no json", /broken\.jsonl line 2: .*JSON/],
    ['{"samples":[{"text":5}]}', /broken\.jsonl line 2: samples\[0\]\.text: expected a text, found 5/],
  ] as const) {
    writeFileSync(file, `${JSON.stringify(FIRST)}\n${broken}\n`);
    const { code, stdout, stderr } = await magdi("vote", file);
    assert.equal(code, 1);
    assert.match(stderr, message);
    assert.equal(stderr.trim().split("\n").length, 1);
    assert.equal(JSON.parse(stdout).answer, "1000");
  }
  const missing = await magdi("vote", path.join(folder, "none.jsonl"));
  assert.equal(missing.code, 1);
  assert.match(missing.stderr, /none\.jsonl: file not found/);
  assert.equal((await magdi("vote", "a", "b")).code, 2);
});
