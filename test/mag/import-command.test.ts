// magdi train import-mags and stats as users run them.

import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { loadMags } from "../../src/mag/mag-file.ts";
import { magdi } from "../support/magdi-command.ts";
import { fixture, scratchFolder } from "../support/scratch-folder.ts";

const DYLAN = fixture("mags", "dylan_debate_math_test.jsonl");
const OPENAI = fixture("mags", "openai_gsm8k.jsonl");
const folder = scratchFolder();

const magdiTrain = (...args: readonly string[]) => magdi("train", ...args);

test("two sources become one file, whose statistics are those of its graphs", async () => {
  const out = path.join(folder, "mags.jsonl.gz");
  const { code, stdout, stderr } = await magdiTrain("import-mags", DYLAN, OPENAI, "--out", out);
  assert.equal(code, 0, stderr);
  assert.match(stdout, /^openai_gsm8k\.jsonl +3 +0 +1 +0 +2 +8 +0 +6 /m);
  assert.match(stdout, /^1 records are not for train$/m);
  assert.match(stdout, /mags\.jsonl\.gz: 4 MAGs\n$/);
  assert.equal((await loadMags([out], { use: "train" })).length, 4);

  const stats = await magdiTrain("stats", out, "--json");
  assert.equal(stats.code, 0, stats.stderr);
  const { mags, byType, contrastive } = JSON.parse(stats.stdout);
  assert.deepEqual([mags, Object.keys(byType), contrastive.mags], [4, ["G0", "G1", "G2"], 4]);
});

test("what is asked of graphs is asked of each, and some questions go to validation", async () => {
  const out = path.join(folder, "debates.jsonl");
  const validation = path.join(folder, "validation.jsonl");
  const all = await magdiTrain(
    "import-mags",
    DYLAN,
    OPENAI,
    "--out",
    out,
    "--with",
    "right,wrong,edges",
    "--json",
  );
  assert.equal(all.code, 0, all.stderr);
  const result = JSON.parse(all.stdout);
  assert.deepEqual(result.written, [{ path: out, mags: 2 }]);
  assert.equal(result.lacking, 2);

  const split = ["--validation", validation, "--validation-share", "0.5", "--seed", "1"];
  assert.equal((await magdiTrain("import-mags", DYLAN, OPENAI, "--out", out, ...split)).code, 0);
  const [training, held] = [
    await loadMags([out], { use: "train" }),
    await loadMags([validation], { use: "train" }),
  ];
  assert.equal(training.length, 2);
  assert.equal(held.length, 2);
  assert.ok(held.every(({ question }) => training.every((mag) => mag.question !== question)));
});

test("a broken record leaves what was there, unless it may be skipped", async () => {
  const source = path.join(folder, "broken.jsonl");
  writeFileSync(source, `${readFileSync(OPENAI, "utf8").trimEnd()}\n{"question":\n`);
  const out = path.join(folder, "kept.jsonl");
  writeFileSync(out, "before");
  const stopped = await magdiTrain("import-mags", source, "--out", out);
  assert.equal(stopped.code, 1);
  assert.match(stopped.stderr, /broken\.jsonl:4: expected a JSON record, found \{"question":/);
  assert.equal(readFileSync(out, "utf8"), "before");
  const skipped = await magdiTrain("import-mags", source, "--out", out, "--broken", "skip");
  assert.equal(skipped.code, 0, skipped.stderr);
  assert.match(skipped.stderr, /^skipped: .*broken\.jsonl:4: expected a JSON record/);
  assert.match(skipped.stdout, /1 records are broken and were passed over/);
  assert.equal((await loadMags([out], { use: "train" })).length, 2);
  assert.ok(readdirSync(folder).every((name) => !name.endsWith(".part")));
});

test("wrong arguments are one line and the exit code 2", async () => {
  const out = path.join(folder, "never.jsonl");
  for (const [pattern, ...args] of [
    [/expected SOURCE\.\.\. and --out FILE/, DYLAN],
    [
      /--with: expected one of right, wrong, edges, found "left"/,
      DYLAN,
      "--out",
      out,
      "--with",
      "right,left",
    ],
    [/--edges: expected one of rounds, turns, .*, found "all"/, DYLAN, "--out", out, "--edges", "all"],
    [/--max-round: expected a whole number from 0, found -1/, DYLAN, "--out", out, "--max-round=-1"],
    [
      /--validation-share: expected a number from 0 to 1, found 2/,
      DYLAN,
      "--out",
      out,
      "--validation-share",
      "2",
    ],
    [/--broken: expected one of stop, skip, found "go"/, DYLAN, "--out", out, "--broken", "go"],
  ] as const) {
    const { code, stderr } = await magdiTrain("import-mags", ...args);
    assert.equal(code, 2, stderr);
    assert.match(stderr, pattern);
  }
  assert.equal(existsSync(out), false);
});
