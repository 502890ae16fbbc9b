// The command magdi debate show as users run it.

import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { debateShowCommand } from "../../src/cli/debate-show.ts";
import { magdi } from "../support/magdi-command.ts";
import { scratchFolder } from "../support/scratch-folder.ts";

const folder = scratchFolder();
const said = { agent: "a", round: 0, reasoning: "So it is.", answer: "4" };
const debate = {
  question_id: "one",
  use: "train",
  benchmark: "sums",
  question: "2 + 2?",
  gold: "4",
  agents: [said],
};
writeFileSync(path.join(folder, "transcripts.jsonl"), `${JSON.stringify(debate)}\n`);

test("lists the questions, and writes the page of one", async () => {
  const list = await magdi("debate", "show", folder);
  assert.equal(list.code, 0, list.stderr);
  assert.match(list.stdout, /^one +sums +1 +no consensus +4 right +2 \+ 2\?$/m);
  const out = path.join(folder, "pages", "one.html");
  const file = path.join(folder, "transcripts.jsonl");
  const written = await magdi("debate", "show", file, "sums/one", "--out", out);
  assert.deepEqual([written.code, written.stdout], [0, `${out}\n`]);
  assert.match(readFileSync(out, "utf8"), /So it is\./);
});

test("what is not there is named, and nothing is written", async () => {
  const out = path.join(folder, "none.html");
  for (const [args, expected] of [
    [
      [folder, "ones", "--out", out],
      /expected the id of one of its 1 debates, found ones; did you mean one\?/,
    ],
    [[folder, "--out", out], /expected the ID of the debate for --out, see: magdi debate show --help/],
    [[folder, "one", "two"], /expected FOLDER or FILE/],
    [[], /expected FOLDER or FILE/],
  ] as const) {
    await assert.rejects(debateShowCommand.run(args), expected);
  }
  assert.equal(existsSync(out), false);
});
