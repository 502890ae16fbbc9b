// The command magdi import as users run it: killed half way, run again, and with wrong flags.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { COMMAND, magdi } from "../support/magdi-command.ts";
import { writeRandomBase } from "../support/random-base.ts";
import { fixture, scratchFolder } from "../support/scratch-folder.ts";

const TINY = fixture("tiny-llama/base");
const folder = scratchFolder();

test("an import killed half way leaves no student, and the next one succeeds", async () => {
  const base = path.join(folder, "base");
  // Large enough to be written for a while after the first line of progress.
  const config = { num_hidden_layers: 12, hidden_size: 256, intermediate_size: 768, vocab_size: 1024 };
  writeRandomBase(base, { config });
  const place = path.join(folder, "students");
  const out = path.join(place, "student");
  const args = ["import", base, "--out", out, "--dtype", "q4,q8,fp32"];
  const child = spawn(process.execPath, [COMMAND, ...args], { stdio: ["ignore", "ignore", "pipe"] });
  child.stderr.once("data", () => child.kill("SIGKILL"));
  const [, signal] = await once(child, "exit");
  assert.equal(signal, "SIGKILL");
  assert.deepEqual(readdirSync(place), [`student.${child.pid}.partial`]);

  const { code, stdout, stderr } = await magdi("import", TINY, "--out", out, "--dtype", "q4,q8");
  assert.equal(code, 0, stderr);
  assert.match(stderr, /writing q4: \d of 4\n/);
  assert.match(stdout, /student, 0\.1 million parameters\n {2}q4: not measured; .*\n {2}q8: not measured; /);
  assert.match(stdout, /the source has no tokenizer: ONNX Runtime can load the student, magdi serve cannot/);
  assert.deepEqual(readdirSync(place), ["student"]);
});

test("--dtype auto writes, measures and keeps one, and says why", async () => {
  const base = path.join(folder, "auto-base");
  writeRandomBase(base, { tokenizer: true });
  const out = path.join(folder, "auto");
  const { code, stdout, stderr } = await magdi("import", base, "--out", out, "--dtype", "auto");
  assert.equal(code, 0, stderr);
  assert.match(stderr, /writing q4.*writing q8.*measuring q8.*timing q4.*timing q8/s);
  const [, kept = ""] = /\n {2}kept (\w+): (?:the fastest|none agrees)/.exec(stdout) ?? [];
  assert.match(stdout, new RegExp(`\n {2}${kept}: agreement with fp32`));
  for (const dtype of ["q4", "q8"]) {
    assert.match(stdout, new RegExp(`\n {4}${dtype}: agreement \\d+\\.\\d %, \\d+ ms of work`));
    assert.equal(existsSync(path.join(out, "onnx", `engine_${dtype}.onnx`)), dtype === kept);
  }
});

test("wrong flags are one line and the exit code 2, a wrong source one line and 1", async () => {
  const out = path.join(folder, "never");
  const cases: [code: number, pattern: RegExp, ...args: string[]][] = [
    [2, /expected one SOURCE and --out DIR, see: magdi import --help/, TINY],
    [
      2,
      /--dtype: expected some of fp32, fp16, q8, q4, q4f16, found "int3"/,
      TINY,
      "--out",
      out,
      "--dtype",
      "q4,int3",
    ],
    [2, /found "int8", a format of earlier versions; q4 and q8 are/, TINY, "--out", out, "--dtype", "int8"],
    [
      2,
      /--max-size-mb: chooses what fits, which --dtype auto does, found --dtype q4;/,
      TINY,
      "--out",
      out,
      "--max-size-mb",
      "9",
    ],
    [
      2,
      /--dtype: auto needs measurements, found --no-measure/,
      TINY,
      "--out",
      out,
      "--dtype",
      "auto",
      "--no-measure",
    ],
    [2, /--threads: expected a whole number from 1, found "none"/, TINY, "--out", out, "--threads", "none"],
    [2, /Unknown option '--outt', did you mean --out\?; see: magdi import --help/, TINY, "--outt", out],
    [
      1,
      /families: expected a Hugging Face model folder with a config\.json/,
      fixture("families"),
      "--out",
      out,
    ],
  ];
  const runs = await Promise.all(cases.map(([, , ...args]) => magdi("import", ...args)));
  for (const [at, { code, stderr }] of runs.entries()) {
    const [wanted, pattern] = cases[at]!;
    assert.match(stderr, pattern);
    assert.match(stderr, /^magdi import: .*\n$/);
    assert.equal(code, wanted);
  }
  assert.ok(!existsSync(out) && !readdirSync(folder).some((name) => name.endsWith(".partial")));
});

test("the command lists its commands, explains one, and knows its version", async () => {
  const [none, help, version, unknown] = await Promise.all([
    magdi(),
    magdi("import", "--help"),
    magdi("--version"),
    magdi("fly"),
  ]);
  assert.equal(none?.code, 2);
  assert.match(none.stdout, /serve .*\n.*import /);
  assert.match(help!.stdout, /--dtype LIST/);
  assert.match(version!.stdout, /^\d+\.\d+\.\d+\n$/);
  assert.equal(unknown?.code, 2);
  assert.match(unknown.stderr, /unknown command "fly"; expected one of serve, import/);
});
