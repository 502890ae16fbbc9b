// Runs magdi's LoRA training steps with the same line protocol as peer.py:
// node --import tsx own.ts BASE_FOLDER THREADS RANK DEVICE [recompute].

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { DEVICES } from "../../src/runtime/device-name.ts";
import { openBase } from "../../src/student/open-base.ts";
import { initialiseParameters } from "../../src/train/step/initial-parameters.ts";
import { AdamW } from "../../src/train/step/optimiser.ts";
import { openTrainingStep, type StepBatch } from "../../src/train/step/training-step.ts";

const answer = (value: object): void => console.log(JSON.stringify(value));

/** Labels are each row's tokens after the first `prompt`, and never the first token, which has no prediction. */
function batchOf(rows: number, columns: number, prompt: number, ids: readonly string[]): StepBatch {
  const tokenIds = BigInt64Array.from(ids, BigInt);
  const first = Math.max(prompt, 1);
  const places = Array.from({ length: rows }, (_, row) =>
    Array.from({ length: columns - first }, (_, column) => row * columns + first + column),
  ).flat();
  return {
    tokenIds,
    rows,
    columns,
    labelPositions: BigInt64Array.from(places, (place) => BigInt(place - 1)),
    labelIds: BigInt64Array.from(places, (place) => tokenIds[place] ?? 0n),
    poolingWeights: new Float32Array(rows * columns),
    pairs: new BigInt64Array(0),
    adjacency: new Float32Array(rows * rows),
    nodeLabels: new BigInt64Array(rows).fill(-1n),
  };
}

async function main(): Promise<void> {
  const [folder = "", threads = "1", rank = "16", name = "cpu", memory] = process.argv.slice(2);
  const device = DEVICES.find((known) => known === name);
  if (device === undefined) throw new Error(`expected one of ${DEVICES.join(", ")}, found ${name}`);
  const scratchFolder = mkdtempSync(path.join(tmpdir(), "magdi-bench-"));
  const base = openBase(folder);
  const step = await openTrainingStep(base, {
    device,
    dtype: device === "cuda" ? "fp16" : "fp32",
    threads: Number(threads),
    scratchFolder,
    recompute: memory === "recompute",
    lora: { rank: Number(rank), scale: 2, dropout: 0, targets: ["q_proj", "v_proj"] },
    losses: { nll: { weight: 1 }, margin: null, node: null },
  });
  base.close();
  initialiseParameters(step.parameters, step.shapes, 1);
  const optimiser = new AdamW(step.parameters, { learningRate: 1e-4 });
  let batch = batchOf(1, 2, 0, ["0", "0"]);
  const parameters = [...step.parameters.values()].reduce((sum, values) => sum + values.length, 0);
  answer({ version: process.version, parameters });
  try {
    for await (const line of createInterface({ input: process.stdin })) {
      const [order, rows, columns, prompt, ...ids] = line.split(" ");
      if (order === "batch") {
        batch = batchOf(Number(rows), Number(columns), Number(prompt), ids);
        answer({});
        continue;
      }
      const startMs = performance.now();
      const { nll } = await step.run(batch, "train");
      optimiser.step(step.gradients);
      const seconds = (performance.now() - startMs) / 1000;
      const { user, system } = process.cpuUsage();
      const peakBytes = process.resourceUsage().maxRSS * 1024;
      answer({ loss: nll, seconds, cpuSeconds: (user + system) / 1e6, peakBytes });
    }
  } finally {
    step.close();
    rmSync(scratchFolder, { recursive: true, force: true });
  }
}

await main();
