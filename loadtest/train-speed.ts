// Compares LoRA training steps with PyTorch and PEFT, alternating in one run, each in its own process:
// node --import tsx loadtest/train-speed.ts --base DIR --python PYTHON. Both see the same tokens and the same labels.

import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { writeWholeFile } from "../src/base/files/whole-file.ts";
import { openBase } from "../src/student/open-base.ts";
import { spreadOf } from "./bench/statistics.ts";
import { type StepMeasurement, StepProcess } from "./bench-train/step-process.ts";
import { describeMachine } from "./machine.ts";

const HELP = `Usage: npm run bench-train -- --base DIR --python PYTHON [flags]

  --base DIR         a student's folder in Transformers' format, such as SmolLM2-135M-Instruct in float32
  --python PYTHON    an interpreter with torch, transformers and peft; without it, only ours is measured
  --shapes LIST      rows x columns, and behind a colon the tokens of each row that are prompt and have no label
                     (default 4x128,4x256,4x256:128)
  --pairs N          measured steps of each (default 7), behind one step that is not
  --device NAME      cpu (default), webgpu or cuda; on the latter PyTorch's base is bfloat16, ours float16
  --threads N        of the processor (default 2)
  --rank N           of the adapters, on queries and values (default 16)
  --recompute        compute our activations again on the way back
  --json FILE        write everything that was measured
  --help             this text
`;

const here = (file: string): string => fileURLToPath(new URL(`bench-train/${file}`, import.meta.url));
const VOCABULARY = 40_000; // or the base's, where that is smaller

interface Shape {
  readonly rows: number;
  readonly columns: number;
  readonly prompt: number;
}

function shapesOf(text: string): Shape[] {
  return text.split(",").map((part) => {
    const found = /^(\d+)x(\d+)(?::(\d+))?$/.exec(part);
    if (found === null) throw new Error(`--shapes: expected such as 4x128 or 4x256:128, found ${part}`);
    const [, rows, columns, prompt = "0"] = found;
    return { rows: Number(rows), columns: Number(columns), prompt: Number(prompt) };
  });
}

/** The same numbers on every machine. */
function tokensOf({ rows, columns }: Shape, vocabulary: number): number[] {
  let state = 1;
  return Array.from({ length: rows * columns }, () => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return (state >>> 8) % vocabulary;
  });
}

const SUBJECTS = ["ours", "PyTorch"] as const;
type Subject = (typeof SUBJECTS)[number];

async function measure(
  shape: Shape,
  commands: Partial<Record<Subject, readonly string[]>>,
  pairs: number,
  vocabulary: number,
): Promise<Map<Subject, StepMeasurement[]>> {
  const processes = new Map<Subject, StepProcess>();
  const steps = new Map<Subject, StepMeasurement[]>();
  try {
    for (const subject of SUBJECTS) {
      const command = commands[subject];
      if (command === undefined) continue;
      let process: StepProcess;
      try {
        process = await StepProcess.open(command);
      } catch (error) {
        if (subject === "ours") throw error;
        console.error(`left out: ${subject} (${error instanceof Error ? error.message : error})`);
        continue;
      }
      processes.set(subject, process);
      steps.set(subject, []);
      await process.batch(shape.rows, shape.columns, shape.prompt, tokensOf(shape, vocabulary));
    }
    for (let pair = 0; pair <= pairs; pair++) {
      const order = [...processes];
      if (pair % 2 === 1) order.reverse();
      for (const [subject, process] of order) steps.get(subject)?.push(await process.step());
    }
  } finally {
    for (const process of processes.values()) await process.close();
  }
  return steps;
}

const range = (values: readonly number[], digits: number): string => {
  const { median, lowest, highest } = spreadOf(values);
  return `${median.toFixed(digits)} (${lowest.toFixed(digits)}–${highest.toFixed(digits)})`;
};

/** CPU time of each measured step: more reliable than wall time on a busy machine, if no thread spins. */
const cpuSeconds = (steps: readonly StepMeasurement[] = []): number[] =>
  steps.slice(1).map((step, index) => step.cpuSeconds - (steps[index]?.cpuSeconds ?? 0));

function report(shape: Shape, steps: ReadonlyMap<Subject, readonly StepMeasurement[]>): string {
  const tokens = shape.rows * shape.columns;
  const speeds = (subject: Subject): number[] =>
    (steps.get(subject) ?? []).slice(1).map(({ seconds }) => tokens / seconds);
  const peak = (subject: Subject): string => {
    const bytes = Math.max(...(steps.get(subject) ?? []).map(({ peakBytes }) => peakBytes));
    return `${(bytes / 1e9).toFixed(2)} GB`;
  };
  const [own, peer] = [speeds("ours"), speeds("PyTorch")];
  const labels = shape.prompt === 0 ? "all" : `${shape.columns - shape.prompt} of ${shape.columns}`;
  const cells = [`${shape.rows}×${shape.columns}`, labels, range(own, 0)];
  if (peer.length === 0) return `| ${[...cells, "", "", "", peak("ours"), ""].join(" | ")} |`;
  const ratios = own.map((speed, pair) => speed / (peer[pair] ?? Number.NaN));
  const [ownCpu, peerCpu] = [cpuSeconds(steps.get("ours")), cpuSeconds(steps.get("PyTorch"))];
  const cpuRatios = ownCpu.map((seconds, pair) => (peerCpu[pair] ?? Number.NaN) / seconds);
  const measured = [range(peer, 0), range(ratios, 2), range(cpuRatios, 2), peak("ours"), peak("PyTorch")];
  return `| ${[...cells, ...measured].join(" | ")} |`;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      base: { type: "string" },
      python: { type: "string" },
      shapes: { type: "string", default: "4x128,4x256,4x256:128" },
      pairs: { type: "string", default: "7" },
      device: { type: "string", default: "cpu" },
      threads: { type: "string", default: "2" },
      rank: { type: "string", default: "16" },
      recompute: { type: "boolean", default: false },
      json: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  const { base, python, threads, rank, pairs, device } = values;
  if (values.help || base === undefined) {
    console.log(HELP);
    process.exitCode = values.help ? 0 : 1;
    return;
  }
  const own = [process.execPath, "--import", "tsx", here("own.ts"), base, threads, rank, device];
  const commands = {
    ours: values.recompute ? [...own, "recompute"] : own,
    ...(python === undefined
      ? {}
      : { PyTorch: [python, here("peer.py"), base, threads, rank, device === "cpu" ? "cpu" : "cuda"] }),
  };
  const machine = describeMachine();
  console.log(
    `${machine.threads} × ${machine.processor}, load ${machine.loadAverage.toFixed(1)} at the start; on ${device}\n`,
  );
  console.log(
    "| shape | labels | ours tok/s | PyTorch tok/s | ratio | ratio of CPU time | our peak | PyTorch's peak |",
  );
  console.log("|---|---|---|---|---|---|---|---|");
  const opened = openBase(base);
  const vocabulary = Math.min(VOCABULARY, opened.config.vocabSize);
  opened.close();
  const results = [];
  for (const shape of shapesOf(values.shapes)) {
    const steps = await measure(shape, commands, Number(pairs), vocabulary);
    console.log(report(shape, steps));
    results.push({ ...shape, steps: Object.fromEntries(steps) });
    const written = { machine, device, threads: Number(threads), rank: Number(rank), results };
    if (values.json !== undefined) writeWholeFile(values.json, `${JSON.stringify(written, null, 2)}\n`);
  }
}

await main();
