// npm run formats: what each format of one student takes and how well it computes, by instruction set: bytes, time of steps
// and prompts in alternating rounds, and agreement with float32. Each instruction set has a process of its own.
import { spawnSync } from "node:child_process";
import path from "node:path";
import { parseArgs } from "node:util";
import { DEFAULT_STUDENT } from "../src/base/package-files.ts";
import { OnnxModelRunner } from "../src/engine/onnx-model-runner.ts";
import { openQualityMeter } from "../src/measuring/quality.ts";
import { describeKernels } from "../src/runtime/native-kernels.ts";
import { usableProcessors } from "../src/runtime/usable-processors.ts";
import { type Dtype, parseDtypes } from "../src/student/dtype.ts";
import { readManifest, weightBytes } from "../src/student/manifest.ts";
import { openStudentFolder, type StudentFolder } from "../src/student/open-student-folder.ts";
import { spreadOf } from "./bench/statistics.ts";

const HELP = `Usage: npm run formats -- --model DIR [flags]

DIR is a student folder with several formats, such as of
  magdi import SOURCE --dtype fp32,q8,q4 --out DIR --no-measure
Prints a Markdown table for each instruction set.

  --model DIR       (default ${DEFAULT_STUDENT})
  --dtypes LIST     formats to time (default: all in the folder)
  --kernels LIST    values of MAGDI_KERNELS, such as avx512vnni,avx2,stock (default: what this processor chooses)
  --threads N       (default: the processors of this process)
  --rounds N        rounds over the formats (default 3)
  --no-agreement    do not compare with the folder's fp32
`;

/** Rows of a decode step, which follows PAST tokens. */
const ROWS = [1, 4, 10, 16];
const PROMPTS = [54, 512];
const PAST = 100;
/** Runs of each kind in a round, of which the shortest counts. */
const RUNS = 5;

const OPTIONS = {
  model: { type: "string", default: DEFAULT_STUDENT },
  dtypes: { type: "string" },
  kernels: { type: "string" },
  threads: { type: "string", default: String(usableProcessors()) },
  rounds: { type: "string", default: "3" },
  "no-agreement": { type: "boolean", default: false },
  help: { type: "boolean", short: "h", default: false },
} as const;

/** The shortest time of each kind of step, in milliseconds by name. */
async function timeOnce(
  student: StudentFolder,
  threads: number,
  times: Map<string, number[]>,
): Promise<string> {
  const longest = Math.max(...PROMPTS);
  const runner = await OnnxModelRunner.open({
    graphPath: student.engineGraph,
    config: student.config,
    maxRows: Math.max(...ROWS),
    contextLength: longest,
    prefillChunkTokens: longest,
    threads,
  });
  const tokens = (count: number): Int32Array =>
    Int32Array.from({ length: count }, (_, at) => (at * 37) % student.config.vocabSize);
  const kinds: [string, () => Promise<unknown>][] = [
    ...ROWS.map((rows): [string, () => Promise<unknown>] => [
      `${rows} ${rows === 1 ? "row" : "rows"}, ms`,
      () => runner.decode(rows, tokens(rows), new Int32Array(rows).fill(PAST), false),
    ]),
    ...PROMPTS.map((length): [string, () => Promise<unknown>] => [
      `prompt of ${length}, ms`,
      () => runner.prefill(tokens(length), 0, false),
    ]),
  ];
  try {
    for (const [kind, run] of kinds) {
      await run(); // warm-up: the first run of a shape plans its memory
      let best = Number.POSITIVE_INFINITY;
      for (let count = 0; count < RUNS; count++) {
        const start = performance.now();
        await run();
        best = Math.min(best, performance.now() - start);
      }
      times.set(kind, [...(times.get(kind) ?? []), best]);
    }
    return describeKernels(runner.kernels);
  } finally {
    runner.close();
  }
}

async function measureHere(
  model: string,
  dtypes: readonly Dtype[],
  { threads, rounds, agreement }: { threads: number; rounds: number; agreement: boolean },
): Promise<void> {
  const manifest = readManifest(model);
  const students = dtypes.map((dtype) => openStudentFolder(model, dtype));
  const times = new Map(dtypes.map((dtype) => [dtype, new Map<string, number[]>()]));
  const kernels = new Map<Dtype, string>();
  for (let round = 0; round < rounds; round++) {
    for (const student of students) {
      kernels.set(student.dtype, await timeOnce(student, threads, times.get(student.dtype)!)); // made for all
      process.stderr.write(`round ${round + 1} of ${rounds}, ${student.dtype}\n`);
    }
  }
  const [first] = students;
  const meter =
    agreement && first !== undefined
      ? await openQualityMeter(openStudentFolder(model, "fp32"), {
          folder: model,
          config: first.config,
          threads,
          onProgress: (stage) => process.stderr.write(`${stage}\n`),
        })
      : null;
  const qualities = new Map<Dtype, { readonly agreement: number; readonly perplexity: number }>();
  for (const student of students) {
    if (meter !== null) qualities.set(student.dtype, await meter.qualityOf(student));
  }
  const kinds = [...(times.get(dtypes[0]!)?.keys() ?? [])]; // at least one was given
  const head = ["format", "kernels", "weights, MB", ...kinds, "agreement, %", "perplexity"];
  const rows = dtypes.map((dtype) => [
    dtype,
    kernels.get(dtype) ?? "",
    (weightBytes(manifest, dtype) / 1e6).toFixed(1),
    ...kinds.map((kind) => spreadOf(times.get(dtype)?.get(kind) ?? []).median.toFixed(1)),
    ((qualities.get(dtype)?.agreement ?? Number.NaN) * 100).toFixed(1).replace("NaN", ""),
    (qualities.get(dtype)?.perplexity ?? Number.NaN).toFixed(2).replace("NaN", ""),
  ]);
  for (const cells of [head, head.map(() => "---"), ...rows]) console.log(`| ${cells.join(" | ")} |`);
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: OPTIONS });
  if (values.help) return void process.stdout.write(HELP);
  const model = path.resolve(values.model);
  const sets = values.kernels?.split(",") ?? [];
  if (sets.length > 0) {
    const others = process.argv.slice(2);
    const at = others.findIndex((flag) => flag.startsWith("--kernels"));
    others.splice(at, others[at] === "--kernels" ? 2 : 1);
    for (const set of sets) {
      console.log(`\nMAGDI_KERNELS=${set}\n`);
      const env = { ...process.env, MAGDI_KERNELS: set };
      const command = [...process.execArgv, process.argv[1] ?? "", ...others];
      const { status } = spawnSync(process.execPath, command, { env, stdio: "inherit" });
      if (status !== 0) process.exitCode = 1;
    }
    return;
  }
  const held = Object.keys(readManifest(model).dtypes).join(",");
  await measureHere(model, parseDtypes(values.dtypes ?? held), {
    threads: Number(values.threads),
    rounds: Number(values.rounds),
    agreement: !values["no-agreement"],
  });
}

await main();
