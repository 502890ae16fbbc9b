// A program of a checkout with CUDA's provider: runs steps of a tiny student in a format, or of its training, and prints
// what the driver was told to copy.

import { mkdirSync } from "node:fs";
import koffi from "koffi";
import { OrtLibrary } from "../../src/runtime/ort-library.ts";
import { openBase } from "../../src/student/open-base.ts";
import { openTrainingStep } from "../../src/train/step/training-step.ts";
import { fixture } from "./scratch-folder.ts";
import { importTiny, openRunner, prefilled, tinyStudent } from "./tiny-students.ts";
import { TrainingFixture } from "./training-fixture.ts";

const [folder = "", what = "", dtype = "", memory = ""] = process.argv.slice(2);
const TO_DEVICE = 1;
const TO_HOST = 2;

OrtLibrary.load(); // before any other library: it configures how libraries are called
const copiedBytes = koffi.load("libcudart.so.13").func("long cudaCopiedBytes(int kind)");

async function copiedBy(run: () => Promise<unknown>) {
  const before = [copiedBytes(TO_DEVICE), copiedBytes(TO_HOST)];
  await run();
  return { toDevice: copiedBytes(TO_DEVICE) - before[0], toHost: copiedBytes(TO_HOST) - before[1] };
}

async function serving(): Promise<unknown> {
  const students = await importTiny(tinyStudent("tiny-llama/base").source, folder, [dtype as "fp32"]);
  const student = students[dtype as "fp32"];
  const runner = await openRunner(student, {
    maxRows: 4,
    contextLength: 256,
    prefillChunkTokens: 32,
    prefixBlocks: 8,
    device: "cuda",
  });
  await prefilled(
    runner,
    Int32Array.from({ length: 40 }, (_, at) => at),
    32,
  );
  const rows = [1, 4].flatMap((count) => [10, 200].map((past) => ({ count, past })));
  for (let row = 0; row < 4; row++) runner.copyRow(runner.promptRow, row, 40);
  const steps = [];
  for (const { count, past } of rows) {
    const step = () => runner.decode(count, new Int32Array(count), new Int32Array(count).fill(past), false);
    await step(); // carries out the copies, and takes what a first run of a shape takes
    steps.push({ count, past, candidates: runner.candidateCount, ...(await copiedBy(step)) });
  }
  const block = runner.newBlock(16);
  const moved = await copiedBy(async () => {
    runner.saveTokens(0, 16, block, 0);
    runner.loadTokens(0, 16, block);
    await runner.prefill(Int32Array.of(1), 16, false);
  });
  runner.close();
  return { steps, moved };
}

async function training(): Promise<unknown> {
  mkdirSync(folder, { recursive: true });
  const own = new TrainingFixture("tiny-llama");
  const base = openBase(fixture("tiny-llama", "base"));
  const step = await openTrainingStep(base, {
    device: "cuda",
    dtype: dtype as "fp32",
    lora: own.lora,
    losses: own.losses("live"),
    recompute: memory === "recomputed",
    threads: 1,
    scratchFolder: folder,
  });
  base.close();
  for (const [key, values] of own.parameters()) step.parameters.get(key)?.set(values);
  const run = () => step.run(own.batch("directed"), "train");
  await run();
  const copied = await copiedBy(run);
  const sum = (tensors: ReadonlyMap<string, Float32Array>) =>
    [...tensors.values()].reduce((bytes, { byteLength }) => bytes + byteLength, 0);
  const told = { ...copied, parameters: sum(step.parameters), gradients: sum(step.gradients) };
  step.close();
  return told;
}

process.stdout.write(JSON.stringify(await (what === "training" ? training() : serving())));
