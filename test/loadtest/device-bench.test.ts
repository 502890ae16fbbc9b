// The bench of a device, run as a program at tiny sizes: to its table, with peers that answer and peers that cannot.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { writeRandomBase } from "../support/random-base.ts";
import { scratchFolder } from "../support/scratch-folder.ts";
import { NO_SOFTWARE_GPU, SOFTWARE_GPU_ENVIRONMENT } from "../support/software-gpu.ts";
import { importTiny } from "../support/tiny-students.ts";

const folder = scratchFolder();
const base = path.join(folder, "base");
writeRandomBase(base, { tokenizer: true });
const student = importTiny(base, path.join(folder, "student"), ["fp32"]);
const TINY = ["--rows", "1,3", "--tokens", "3", "--prompt-tokens", "5", "--repeats", "1", "--threads", "1"];

function run(
  program: string,
  args: readonly string[],
  environment: NodeJS.ProcessEnv = {},
): Promise<{ code: number; stdout: string; stderr: string }> {
  const file = fileURLToPath(new URL(`../../loadtest/${program}`, import.meta.url));
  return new Promise((resolve) => {
    const env = { ...process.env, ...environment };
    execFile(process.execPath, ["--import", "tsx", file, ...args], { env }, (error, stdout, stderr) => {
      resolve({ code: Number(error?.code ?? 0), stdout, stderr });
    });
  });
}

/** Stands in for an interpreter: answers for Transformers as its program does, and cannot run vLLM. */
function standIn(): string {
  const file = path.join(folder, "python");
  writeFileSync(
    file,
    `#!${process.execPath}
const [program, base, device, threads, rows, context] = process.argv.slice(2);
if (program.endsWith("peer.py") && program.includes("bench-train")) throw new Error("no steps here");
if (program.includes("vllm")) throw new Error("No module named 'vllm'");
console.log("a library says something");
console.log(JSON.stringify({ version: "Stand-in 1", dtype: [device, threads, rows, context].join(" ") }));
require("node:readline").createInterface({ input: process.stdin }).on("line", (line) => {
  const { prompts, samples, maxTokens } = JSON.parse(line);
  const tokens = prompts.length * samples * maxTokens;
  console.log(JSON.stringify({ firstTokenMs: 10, totalMs: 10 + 100 * tokens, tokens }));
});
`,
    { mode: 0o755 },
  );
  return file;
}

test("on the processor: a table of rows, first token and bandwidth, beside a peer", async () => {
  const { fp32 } = await student;
  const json = path.join(folder, "cpu.json");
  const { code, stdout, stderr } = await run("bench/main.ts", [
    ...["--device", "cpu", "--model", fp32.path, "--base", base, "--python", standIn()],
    ...[...TINY, "--bandwidth-bytes", "1000000", "--json", json],
  ]);
  assert.equal(code, 0, stderr);
  assert.match(stdout, /on cpu \(.*\), student in fp32/);
  assert.match(stdout, /\| case \| unit \| magdi \| Transformers \| magdi \/ Transformers \|/);
  for (const name of [
    "1 row, decoding",
    "3 rows of one question, decoding",
    "3 different questions, prompts and all",
    "first token, 5-token prompt",
  ]) {
    assert.match(stdout, new RegExp(`\\| ${name} \\| (tok/s|ms) \\| [0-9.]+ `), name);
  }
  assert.match(stdout, /\| what \| fp32 on cpu \| Stand-in 1, cpu 1 3 16 \|/);
  assert.match(
    stdout,
    /memory moves [0-9.]+ GB\/s, the weights are 0\.\d MB.* of which ours reaches [0-9.]+ %/,
  );
  assert.match(stdout, /Left out: vLLM \(.*No module named 'vllm'\)/);
  const report = JSON.parse(readFileSync(json, "utf8")) as {
    cases: { name: string; results: Record<string, { median: number }> }[];
  };
  // 2 tokens behind the first, in all but the first token's time: (3 − 1) / 0.3 s.
  const peer = report.cases[0]?.results.Transformers;
  assert.ok(Math.abs((peer?.median ?? 0) - 2 / 0.3) < 1e-6, JSON.stringify(peer));
});

test("an interpreter that is not there leaves the peers out; a device that is not there is an error", async () => {
  const { fp32 } = await student;
  const nowhere = path.join(folder, "no", "python");
  const args = ["--model", fp32.path, "--base", base, "--python", nowhere, ...TINY];
  const { code, stdout } = await run("bench/main.ts", [
    ...["--device=cpu", ...args, "--bandwidth-bytes", "1000000"],
  ]);
  assert.equal(code, 0);
  assert.match(stdout, /Left out: Transformers \(.*ENOENT/);
  const none = await run("bench/main.ts", ["--device", "webgpu", ...args], {
    VK_ICD_FILENAMES: "/nowhere/icd.json",
    VK_DRIVER_FILES: "/nowhere/icd.json",
  });
  assert.equal(none.code, 1);
  assert.match(none.stderr, /webgpu cannot be measured here: .*; see magdi doctor/);
});

test("on WebGPU in software: the same table, and training steps", { skip: NO_SOFTWARE_GPU }, async () => {
  const { fp32 } = await student;
  const bench = await run(
    "bench/main.ts",
    ["--device", "webgpu", "--model", fp32.path, ...TINY, "--bandwidth-bytes", "100000"],
    SOFTWARE_GPU_ENVIRONMENT,
  );
  assert.equal(bench.code, 0, bench.stderr);
  assert.match(bench.stdout, /on webgpu \(.*\), student in fp32/);
  assert.match(bench.stdout, /\| 3 rows of one question, decoding \| tok\/s \| [0-9.]+ /);
  assert.match(bench.stdout, /Left out: Transformers \(no --base given\)/);
  const training = await run(
    "train-speed.ts",
    [
      ...["--base", base, "--python", standIn(), "--device", "webgpu"],
      ...["--shapes", "1x8", "--pairs", "1", "--rank", "2"],
    ],
    SOFTWARE_GPU_ENVIRONMENT,
  );
  assert.equal(training.code, 0, training.stderr);
  assert.match(training.stdout, /; on webgpu\n/);
  assert.match(training.stdout, /\| 1×8 \| all \| \d+/);
  assert.match(training.stderr, /left out: PyTorch \(.* ended: Error: no steps here\)/);
});
