// magdi train as its user meets it: a tiny student from files to an answer over HTTP, interrupts, and what goes wrong.

import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { type TestContext, test } from "node:test";
import { RECIPES } from "../../src/train/recipes.ts";
import { readRunLog } from "../../src/train/run/run-log.ts";
import { TRAINING_SETTINGS } from "../../src/train/run/training-settings.ts";
import { writeRandomBase } from "../support/random-base.ts";
import { scratchFolder } from "../support/scratch-folder.ts";
import { writeSums } from "../train/support/sums.ts";
import { post, ServeProcess } from "./serve-process.ts";

const scratch = scratchFolder();
const base = path.join(scratch, "base");
const data = path.join(scratch, "sums.jsonl");
writeRandomBase(base, { tokenizer: true });
writeSums(data, 20);

const TRAIN = ["bin/magdi.js", "train"];
const common = ["--data", data, "--base", base, "--threads", "1", "--no-measure", "--batch-size", "6"];
const magdi = (t: TestContext, args: readonly string[]) => new ServeProcess(t, [...TRAIN, ...args]);

async function ended(t: TestContext, args: readonly string[]) {
  const process = magdi(t, args);
  const code = await process.exited;
  return { code, stdout: process.stdout, stderr: process.stderr };
}

test("a recipe, files and a base become a student that is served with no further step", async (t) => {
  const out = path.join(scratch, "run");
  const settings = path.join(scratch, "settings.json");
  writeFileSync(settings, JSON.stringify({ epochs: 7, seed: 3 }));
  const args = ["--recipe", "magdi", "--out", out, "--settings", settings, "--epochs", "2", ...common];
  const { code, stdout, stderr } = await ended(t, args);
  assert.equal(code, 0, stderr);
  // Plain lines without a terminal: the beginning, the steps, the validations.
  assert.match(
    stderr,
    /^18 MAGs, \d+ rows \(\d+ right, \d+ wrong\), \d+ tokens for training; 2 MAGs for validation; [\d,]+ parameters$/m,
  );
  assert.match(
    stderr,
    /^training, steps: 6 of 6, loss \d+\.\d+ \(nll \d+\.\d+, margin \d+\.\d+, node \d+\.\d+\), \d+ tokens\/s, 0 s left$/m,
  );
  assert.match(stderr, /^validation after step 6: loss .*node classifier right on .* %\)/m);
  assert.match(stdout, /Serve it with: npx magdi serve --model .*run\/student$/m);
  const written = JSON.parse(readFileSync(path.join(out, "settings.json"), "utf8")).settings;
  assert.deepEqual([written.recipe, written.epochs, written.seed, written.batchSize], ["magdi", 2, 3, 6]);
  assert.equal(readRunLog(path.join(out, "metrics.jsonl")).at(-1)?.kind, "end");

  const server = new ServeProcess(t, [
    "bin/magdi.js",
    "serve",
    "--model",
    path.join(out, "student"),
    "--port",
    "0",
    "--threads",
    "1",
  ]);
  const url = await server.ready();
  const answer = await post(url, "/v1/completions", { prompt: "What is 2 plus 3?", max_tokens: 4 });
  assert.equal(answer.status, 200);
  const body = (await answer.json()) as { usage: { completion_tokens: number } }; // the API's
  assert.ok(body.usage.completion_tokens > 0);
  server.kill("SIGTERM");
  assert.equal(await server.exited, 0);
});

test("an interrupt leaves a checkpoint and says how to go on, and going on does", async (t) => {
  const out = path.join(scratch, "interrupted");
  const args = ["--recipe", "magdi", "--out", out, "--epochs", "40", "--patience", "0", ...common];
  const first = magdi(t, [...args, "--no-export"]);
  while (!first.stderr.includes("training, steps:")) await once(first.child.stderr!, "data");
  first.kill("SIGINT");
  assert.equal(await first.exited, 130, first.stderr);
  assert.match(
    first.stderr,
    /stopping after the current batch, with a checkpoint; a second signal exits at once/,
  );
  const said = /stopped after step (\d+) of 120; go on with: npx magdi train --resume (\S+)/.exec(
    first.stderr,
  );
  assert.ok(said, first.stderr);
  assert.equal(said[2], out);
  const state = JSON.parse(readFileSync(path.join(out, "checkpoint", "state.json"), "utf8"));
  assert.equal(state.step, Number(said[1]));

  const { code, stderr } = await ended(t, ["--resume", out, "--no-export", "--threads", "2"]);
  assert.equal(code, 0, stderr);
  const steps = readRunLog(path.join(out, "metrics.jsonl")).filter(({ kind }) => kind === "step");
  assert.deepEqual(
    steps.map(({ step }) => step),
    Array.from({ length: 120 }, (_, index) => index + 1),
  );
  assert.ok(existsSync(path.join(out, "best", "adapter_config.json")));
});

test("what is wrong is one line and an exit code", async (t) => {
  const broken = path.join(scratch, "broken.jsonl");
  writeFileSync(broken, `${readFileSync(data, "utf8")}{"id": "x", "nodes": []}\n`);
  const out = (name: string) => ["--out", path.join(scratch, name)];
  const other = common.slice(2);
  const cases: [string[], number, RegExp][] = [
    [["--data", broken, ...other, ...out("a")], 1, /^magdi train: .*broken\.jsonl:21: .*question/],
    [
      [...common, ...out("b"), "--epochs", "none"],
      2,
      /^magdi train: --epochs: expected a whole number from 1/,
    ],
    [
      [...common, ...out("c"), "--recipe", "best"],
      2,
      /^magdi train: recipe: expected one of base, sft, sit-<agent>/,
    ],
    [
      [...common, ...out("d"), "--epoch", "1"],
      2,
      /^magdi train: .*'--epoch', did you mean --epochs\?; see: magdi train --help/,
    ],
    [common, 2, /^magdi train: expected --out RUN, see: magdi train --help/],
    [
      ["--resume", path.join(scratch, "none")],
      1,
      /^magdi train: .*settings\.json: expected a training run's settings/,
    ],
    [
      ["--resume", path.join(scratch, "none"), "--batch-size", "2"],
      2,
      /^magdi train: --batch-size: a run is resumed with/,
    ],
    [
      [...common, ...out("e"), "--init-adapter", scratch, "--lora-rank", "2"],
      2,
      /^magdi train: --lora-rank: an adapter that is trained on with --init-adapter keeps its modules/,
    ],
    [
      [...other.slice(2), "--data", data, "--init-adapter", scratch, ...out("f")],
      1,
      /^magdi train: .*: expected a PEFT adapter's folder/,
    ],
  ];
  const results = await Promise.all(cases.map(([args]) => ended(t, args)));
  for (const [index, { code, stderr, stdout }] of results.entries()) {
    const [args, expected, message] = cases[index]!;
    assert.equal(code, expected, `${args.join(" ")}: ${stderr}`);
    assert.equal(stdout, "");
    const lines = stderr
      .trim()
      .split("\n")
      .filter((line) => !line.startsWith("reading"));
    assert.equal(lines.length, 1, stderr);
    assert.match(lines[0]!, message);
  }
});

test("--help explains every recipe, every setting and every command", async (t) => {
  const { code, stdout } = await ended(t, ["--help"]);
  assert.equal(code, 0);
  for (const { name, summary } of RECIPES)
    assert.ok(stdout.includes(`  ${name} `) && stdout.includes(summary), name);
  for (const { key, flag, description } of TRAINING_SETTINGS) {
    assert.ok(stdout.includes(`  --${flag} VALUE`) && stdout.includes(description), key);
  }
  for (const command of ["import-mags", "stats", "verify"])
    assert.match(stdout, new RegExp(`^  ${command} `, "m"));
});
