// The commands magdi export and magdi train verify as users run them.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { readManifest } from "../../src/student/manifest.ts";
import { post, ServeProcess } from "../e2e/serve-process.ts";
import { COMMAND, magdi } from "../support/magdi-command.ts";
import { writeRandomAdapter } from "../support/random-adapter.ts";
import { writeRandomBase } from "../support/random-base.ts";
import { fixture, scratchFolder } from "../support/scratch-folder.ts";

const folder = scratchFolder();

test("an exported student is served with no further step, and is not its base", async (t) => {
  const base = path.join(folder, "base");
  const adapter = path.join(folder, "adapter");
  writeRandomAdapter(adapter, writeRandomBase(base, { tokenizer: true }), {
    targets: ["o_proj", "down_proj"],
    config: { lora_alpha: 200 },
  });
  const answers: unknown[] = [];
  for (const [name, ...args] of [
    ["pupil", "export", "--adapter", adapter, "--base", base, "--level", "4"],
    ["base-student", "import", base],
  ]) {
    const out = path.join(folder, name!);
    const { code, stdout, stderr } = await magdi(...args, "--out", out, "--dtype", "fp32,q8", "--no-measure");
    assert.equal(code, 0, stderr);
    assert.match(stderr, /writing fp32: \d of 3\n/);
    assert.match(
      stdout,
      /million parameters\n {2}fp32: not measured; .*\n {2}q8: not measured; .*\nServe it with/,
    );
    const server = new ServeProcess(t, [
      "bin/magdi.js",
      "serve",
      "--port",
      "0",
      "--model",
      out,
      "--dtype",
      "fp32",
    ]);
    const url = await server.ready();
    const body = { prompt: "One and one", max_tokens: 12, temperature: 0 };
    const response = await post(url, "/v1/completions", body);
    assert.equal(response.status, 200);
    const { choices } = (await response.json()) as { choices: { text: string }[] }; // answered 200
    answers.push(choices[0]!.text);
    server.kill("SIGTERM");
    await server.exited;
  }
  assert.notEqual(answers[0], answers[1]);
});

test("a killed export leaves the student that was there, and the next one is not in its way", async () => {
  const base = path.join(folder, "killed-base");
  const adapter = path.join(folder, "killed-adapter");
  writeRandomAdapter(adapter, writeRandomBase(base));
  const place = path.join(folder, "killed");
  mkdirSync(place);
  const out = path.join(place, "student");
  const args = ["export", "--adapter", adapter, "--base", base, "--out", out, "--no-measure", "--force"];
  const killed = async (): Promise<void> => {
    const child = spawn(process.execPath, [COMMAND, ...args, "--dtype", "fp32,q8,q4"], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    child.stderr.once("data", () => child.kill("SIGKILL"));
    await new Promise((resolve) => child.once("exit", resolve));
  };
  const isWhole = (): boolean => existsSync(out) && readManifest(out).level === null;
  await killed();
  assert.ok(!existsSync(out) || isWhole());
  const { code, stderr } = await magdi(...args, "--dtype", "q8");
  assert.equal(code, 0, stderr);
  assert.deepEqual(readdirSync(place), ["student"]);
  await killed();
  assert.ok(isWhole(), "the student that was there, or the new one");
});

test("wrong flags are one line and the exit code 2, a wrong adapter one error and 1", async () => {
  const out = path.join(folder, "never");
  const tiny = ["--base", fixture("tiny-llama", "base"), "--out", out];
  const adapter = ["--adapter", fixture("tiny-llama", "adapter")];
  const cases: [code: number, pattern: RegExp, ...args: string[]][] = [
    [2, /^magdi export: expected --adapter DIR and --out DIR, see: .*\n$/, ...tiny],
    [2, /^magdi export: --level: expected 1 to 4, found NaN\n$/, ...adapter, ...tiny, "--level", "top"],
    [2, /^magdi export: Unknown option '--rank'.*see: magdi export --help\n$/, ...tiny, "--rank", "3"],
    [
      1,
      /^magdi export: .*do not fit.*\n {2}unexpected \(8\)/,
      ...tiny,
      "--adapter",
      fixture("tiny-qwen2", "adapter"),
    ],
  ];
  const runs = await Promise.all(cases.map(([, , ...args]) => magdi("export", ...args)));
  for (const [at, { code, stderr }] of runs.entries()) {
    const [wanted, pattern] = cases[at]!;
    assert.match(stderr, pattern);
    assert.equal(code, wanted);
  }
  assert.ok(!existsSync(out) && !readdirSync(path.dirname(out)).some((name) => name.endsWith(".partial")));
});

test("verify exits with 0 when all is within tolerance, and with 1 naming what is off", async () => {
  const damaged = path.join(folder, "damaged");
  cpSync(fixture("tiny-llama"), damaged, { recursive: true });
  rmSync(path.join(damaged, "grads.only-margin.safetensors"));
  const losses = path.join(damaged, "expected.json");
  const expected = JSON.parse(readFileSync(losses, "utf8"));
  expected["directed/live"].node += 1e-4;
  rmSync(losses);
  writeFileSync(losses, JSON.stringify(expected));
  const [whole, off, nowhere] = await Promise.all([
    magdi("train", "verify", fixture("tiny-llama"), "--threads", "1"),
    magdi("train", "verify", damaged, "--threads", "1"),
    magdi("train", "verify", path.join(folder, "nowhere")),
  ]);
  assert.equal(whole.code, 0, whole.stdout + whole.stderr);
  assert.match(whole.stdout, /^forward logits +\d\.\d\de-\d+ +\d\.\d\de-\d+ {2}ok$/m);
  assert.match(whole.stdout, /\nall 51 quantities are within tolerance\n$/);
  assert.equal(off.code, 1);
  assert.match(off.stdout, /^loss node, directed\/live .* OUT OF TOLERANCE \(absolute 1\.0e-5\)$/m);
  assert.match(off.stdout, /^gradients only-margin .* not in the folder: grads\.only-margin\.safetensors$/m);
  assert.match(off.stdout, /\n1 of 50 quantities failed: loss node, directed\/live; 1 not in the folder\n$/);
  assert.equal(nowhere.code, 1);
  assert.match(
    nowhere.stderr,
    /^magdi train: .*nowhere: expected a folder of reference results, found none\n$/,
  );
});

test("report writes a page and an SVG, and says which arguments it lacks", async () => {
  const run = path.join(folder, "run");
  mkdirSync(run);
  const losses = { loss: 3, nll: 3, margin: 0, node: 0 };
  const metrics = {
    kind: "validation",
    step: 0,
    epoch: 0,
    ...losses,
    nodeAccuracy: null,
    majorityAccuracy: null,
  };
  writeFileSync(path.join(run, "metrics.jsonl"), `${JSON.stringify(metrics)}\nbroken\n`);
  const [one, none, several, nowhere] = await Promise.all([
    magdi("train", "report", run),
    magdi("train", "report"),
    magdi("train", "report", run, folder),
    magdi("train", "report", path.join(folder, "nowhere")),
  ]);
  assert.equal(one.code, 0, one.stderr);
  const written = ["html", "svg"].map((ending) => path.join(run, "report", `report.${ending}`));
  assert.equal(one.stdout, `${written.join("\n")}\n`);
  assert.ok(written.every((file) => existsSync(file)));
  assert.match(one.stderr, /^run: metrics\.jsonl: 1 of 2 lines could not be read \(2\)$/m);
  assert.match(none.stderr, /^magdi train: expected at least one RUN, see: magdi train report --help\n$/);
  assert.match(several.stderr, /expected --out DIR for a report of several runs/);
  assert.match(nowhere.stderr, /nowhere: expected a training run's folder, found none\n$/);
  assert.deepEqual([none.code, several.code, nowhere.code], [2, 2, 1]);
});

test("each command explains itself", async () => {
  const [exporting, reporting, training, verifying] = await Promise.all([
    magdi("export", "--help"),
    magdi("train", "report", "--help"),
    magdi("train", "--help"),
    magdi("train", "verify", "--help"),
  ]);
  assert.match(exporting.stdout, /^Usage: magdi export --adapter DIR \[--base SOURCE\] --out DIR/);
  assert.match(reporting.stdout, /^Usage: magdi train report RUN/);
  assert.match(training.stdout, /^Usage: magdi train/);
  assert.match(training.stdout, /^ {2}report +draw the curves/m);
  assert.match(verifying.stdout, /^Usage: magdi train verify FOLDER/);
});
