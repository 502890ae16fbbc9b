// The commands magdi export and magdi train verify as users run them.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { exportCommand } from "../../src/cli/export.ts";
import { readManifest } from "../../src/student/manifest.ts";
import { openBase } from "../../src/student/open-base.ts";
import { post, ServeProcess } from "../e2e/serve-process.ts";
import { COMMAND, magdi, magdiWith } from "../support/magdi-command.ts";
import { writeRandomAdapter } from "../support/random-adapter.ts";
import { writeRandomBase } from "../support/random-base.ts";
import { fixture, scratchFolder } from "../support/scratch-folder.ts";
import { UploadHub } from "../support/upload-hub.ts";

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

test("--to hf and --to gguf write the same merged weights, with the tokenizer, and upload them", async (t) => {
  const hub = await UploadHub.start();
  t.after(() => hub.stop());
  const environment = { HF_ENDPOINT: hub.endpoint, HF_TOKEN: hub.token };
  const base = path.join(folder, "portable-base");
  const adapter = path.join(folder, "portable-adapter");
  writeRandomAdapter(adapter, writeRandomBase(base, { tokenizer: true }), { targets: ["o_proj", "q_proj"] });
  const from = ["export", "--adapter", adapter, "--base", base];
  const [hf, gguf] = [path.join(folder, "portable"), path.join(folder, "portable.gguf")];
  const first = await magdiWith(environment, ...from, "--to", "hf", "--out", hf, "--push-to-hub", "me/model");
  assert.equal(first.code, 0, first.stderr);
  assert.match(
    first.stdout,
    /portable: portable, 0\.1 million parameters in fp32\nServe it with: vllm serve/,
  );
  assert.match(first.stdout, /\nUploaded to http.*\/me\/model\/commit\/abc\n$/);
  assert.deepEqual([...hub.files.keys()].sort(), readdirSync(hf).sort());
  assert.ok(hub.files.get("model.safetensors")?.equals(readFileSync(path.join(hf, "model.safetensors"))));
  const second = await magdiWith(
    environment,
    ...[...from, "--to", "gguf", "--out", gguf, "--dtype", "F32", "--push-to-hub", "me/model"],
  );
  assert.equal(second.code, 0, second.stderr);
  assert.match(second.stdout, /portable\.gguf: portable, .* in f32\nServe it with: llama-server -m /);
  assert.deepEqual([...hub.files.keys()].sort(), ["README.md", "portable.gguf"]);
  assert.match(
    hub.files.get("README.md")!.toString(),
    /adapter: portable-adapter .*\n[\s\S]*llama-server -m portable\.gguf/,
  );
  const [folderBase, fileBase, original] = [openBase(hf), openBase(gguf), openBase(base)];
  for (const [name, tensor] of folderBase.tensors) {
    assert.deepEqual(fileBase.tensors.get(name)!.readFloat32(), tensor.readFloat32(), name);
  }
  const query = "model.layers.0.self_attn.q_proj.weight";
  const read = (from: typeof original) => from.tensors.get(query)!.readFloat32();
  assert.notDeepEqual(read(folderBase), read(original));
  assert.ok(fileBase.textFiles.has("tokenizer.json") && folderBase.textFiles.has("tokenizer.json"));
  for (const opened of [folderBase, fileBase, original]) opened.close();
});

test("with --vocabulary the hf and gguf outputs have fewer tokens, and the same ones", async (t) => {
  const base = path.join(folder, "wordy-base");
  writeRandomBase(base, { tokenizer: true });
  const texts = path.join(folder, "texts.txt");
  writeFileSync(texts, "Natalia sold clips in May.");
  const [hf, gguf] = [path.join(folder, "wordy"), path.join(folder, "wordy.gguf")];
  const printed = t.mock.method(console, "log", () => {}).mock;
  for (const [to, out] of [
    ["hf", hf],
    ["gguf", gguf],
  ] as const) {
    printed.resetCalls();
    await exportCommand.run(["--to", to, "--base", base, "--out", out, "--vocabulary", texts]);
    const lines = printed.calls.map((call) => String(call.arguments[0]));
    assert.match(lines.join("\n"), /vocabulary cut from 640 to \d+ tokens/);
  }
  const [folderBase, fileBase] = [openBase(hf), openBase(gguf)];
  assert.ok(folderBase.config.vocabSize < 640);
  assert.equal(fileBase.config.vocabSize, folderBase.config.vocabSize);
  const vocabOf = (files: ReadonlyMap<string, string>) => {
    const { model, added_tokens: added } = JSON.parse(files.get("tokenizer.json")!);
    return {
      ...model.vocab,
      ...Object.fromEntries(added.map(({ content, id }: { content: string; id: number }) => [content, id])),
    };
  };
  assert.deepEqual(vocabOf(fileBase.textFiles), vocabOf(folderBase.textFiles));
  folderBase.close();
  fileBase.close();
});

test("what does not go together is refused before anything is read", async (t) => {
  const { HF_TOKEN: token } = process.env;
  delete process.env.HF_TOKEN;
  t.after(() => token !== undefined && Object.assign(process.env, { HF_TOKEN: token }));
  const source = ["--base", path.join(folder, "nowhere")];
  const cases: [args: string[], message: RegExp][] = [
    [["--to", "gguf"], /expected --base SOURCE or --adapter DIR, and --out FILE\.gguf/],
    [["--to", "onnx", "--out", "x"], /--to: expected one of student, hf, gguf, found "onnx"/],
    [
      ["--to", "hf", "--out", "x", "--dtype", "q8"],
      /--dtype: expected one of fp32, fp16, bf16 with --to hf, found "q8"/,
    ],
    [["--to", "gguf", "--out", "x.gguf", "--dtype", "f16,q8_0"], /expected one of f32, .* found "f16,q8_0"/],
    [["--to", "hf", "--out", "x", "--no-measure"], /--no-measure: measures the formats of a student/],
    [["--to", "gguf", "--out", "x.gguf", "--max-size-mb", "9"], /--max-size-mb: measures the formats of a/],
    [
      ["--to", "hf", "--out", "x", "--level", "3"],
      /--level: says how an adapter was trained; give --adapter DIR too/,
    ],
    [
      ["--to", "hf", "--out", "x", "--push-to-hub", "model"],
      /--push-to-hub: expected OWNER\/NAME, found "model"/,
    ],
    [
      ["--to", "hf", "--out", "x", "--push-to-hub", "me/model"],
      /expected a token with write access in HF_TOKEN/,
    ],
  ];
  for (const [args, message] of cases) {
    await assert.rejects(exportCommand.run([...source, ...args]), { code: "MAGDI_BAD_CONFIG", message });
  }
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
  assert.match(
    exporting.stdout,
    /^Usage: magdi export \[--base SOURCE\] \[--adapter DIR\] --out PLACE \[--to hf\|gguf\]/,
  );
  assert.match(reporting.stdout, /^Usage: magdi train report RUN/);
  assert.match(training.stdout, /^Usage: magdi train/);
  assert.match(training.stdout, /^ {2}report +draw the curves/m);
  assert.match(verifying.stdout, /^Usage: magdi train verify FOLDER/);
});
