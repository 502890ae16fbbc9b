// npm run bench: our engine, our server and their peers on the same weights, alternating in one run. It owns the
// command line; what is measured stands in cases.ts, how in subject-process.ts.
import { readFileSync } from "node:fs";
import { cpus, totalmem } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { writeWholeFile } from "../../src/base/files/whole-file.ts";
import { usableProcessors } from "../../src/runtime/usable-processors.ts";
import { weightBytes } from "../../src/student/manifest.ts";
import { openStudentFolder } from "../../src/student/open-student-folder.ts";
import { openTokenizer } from "../../src/text/tokenizer.ts";
import { benchCases, type PromptSource, stepCases } from "./cases.ts";
import { drawBench } from "./chart.ts";
import { runLlamaBench } from "./llama-bench.ts";
import { nodeLlamaCppEntry } from "./peers.ts";
import { promptSource } from "./prompts.ts";
import { readBandwidth } from "./read-bandwidth.ts";
import { type BenchReport, markdownOf, OURS, type SubjectReport } from "./report.ts";
import { runRounds } from "./rounds.ts";
import { spreadOf } from "./statistics.ts";
import { SubjectProcess } from "./subject-process.ts";
import { dtypeOf } from "./weights.ts";
import { decodeRate, type SubjectOptions } from "./workload.ts";

const HELP = `Usage: npm run bench -- [options]

Measures the engine, the server and their peers on the same weights, in turns, and prints a Markdown table.
With --device cpu, webgpu or cuda it measures that device, and --device NAME --help tells its other options.

  --model DIR          student folder (default models/smollm2-135m-instruct)
  --dtype NAME         weights (default: the smallest that the folder holds)
  --gguf FILE          the same weights for llama.cpp and node-llama-cpp; without it they are left out
  --llama-bench DIR    folder with llama.cpp's own llama-bench and llama-batched-bench
  --subjects A,B       of magdi, server, transformers.js, node-llama-cpp (default: all that can run)
  --cases TEXT         only cases whose name contains it
  --threads N          (default: the processors of this process)
  --rows N             widest batch (default 32)
  --repeats N          rounds (default 5)
  --json FILE --markdown FILE --svg FILE
`;

const CONTEXT_TOKENS = 2048;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      model: { type: "string", default: "models/smollm2-135m-instruct" },
      dtype: { type: "string" },
      gguf: { type: "string" },
      "llama-bench": { type: "string" },
      subjects: { type: "string" },
      cases: { type: "string", default: "" },
      threads: { type: "string", default: String(usableProcessors()) },
      rows: { type: "string", default: "32" },
      repeats: { type: "string", default: "5" },
      json: { type: "string" },
      markdown: { type: "string" },
      svg: { type: "string" },
      help: { type: "boolean", short: "h" },
    },
  });
  if (values.help) return void process.stdout.write(HELP);
  const startedAt = new Date().toISOString();
  const [threads, rows, repeats] = [values.threads, values.rows, values.repeats].map(Number) as [
    number,
    number,
    number,
  ];
  const folder = openStudentFolder(values.model, dtypeOf(values.dtype));
  const tokenizer = await openTokenizer(values.model);
  const source = promptSource(tokenizer);
  const readBytesPerSecond = await readBandwidth(threads);
  say(`memory read at ${(readBytesPerSecond / 1e9).toFixed(1)} GB/s`);

  const options: SubjectOptions = {
    model: values.model,
    dtype: folder.dtype,
    threads,
    rows,
    contextLength: CONTEXT_TOKENS,
  };
  const wanted = values.subjects?.split(",");
  const { running, subjects } = await openSubjects(options, values.gguf ?? null, wanted ?? null);
  const asked = benchCases(source, rows).filter(({ name }) => name.includes(values.cases));
  const cases = await runRounds(running, asked, repeats, say);
  const steps = await runSteps(running.get(OURS) ?? null, source, rows, repeats);
  for (const [name, subject] of running) {
    const report = subjects[name];
    if (typeof report === "object")
      subjects[name] = { ...report, residentBytes: await subject.residentBytes() };
    await subject.close();
  }
  const report: BenchReport = {
    version: (JSON.parse(readFileSync("package.json", "utf8")) as { version: string }).version, // our own
    startedAt,
    command: `npm run bench -- ${process.argv.slice(2).join(" ")}`.trim(),
    machine: {
      processor: cpus()[0]?.model.trim() ?? "an unknown processor",
      threads,
      memoryBytes: totalmem(),
      node: process.versions.node,
      readBytesPerSecond,
    },
    model: folder.manifest.name,
    dtype: folder.dtype,
    weightBytes: weightBytes(folder.manifest, folder.dtype),
    repeats,
    subjects,
    cases,
    steps,
    llamaBench:
      values["llama-bench"] && values.gguf
        ? runLlamaBench(values["llama-bench"], values.gguf, threads)
        : null,
  };
  const markdown = markdownOf(report);
  process.stdout.write(`\n${markdown}`);
  if (values.json) writeWholeFile(values.json, `${JSON.stringify(report, null, 2)}\n`);
  if (values.markdown) writeWholeFile(values.markdown, markdown);
  if (values.svg) writeWholeFile(values.svg, await drawBench(report));
}

/** Progress, apart from the result. */
function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

interface OpenedSubjects {
  readonly running: Map<string, SubjectProcess>;
  readonly subjects: Record<string, SubjectReport | string>;
}

async function openSubjects(
  options: SubjectOptions,
  gguf: string | null,
  wanted: readonly string[] | null,
): Promise<OpenedSubjects> {
  const running = new Map<string, SubjectProcess>();
  const subjects: Record<string, SubjectReport | string> = {};
  const offered: [string, string, SubjectOptions | string][] = [
    [OURS, "engine.ts", options],
    ["server", "server.ts", options],
    ["transformers.js", "transformers-js.ts", options],
    [
      "node-llama-cpp",
      "node-llama-cpp.ts",
      gguf === null ? "no --gguf given" : { ...options, model: path.resolve(gguf) },
    ],
  ];
  for (const [name, module, given] of offered) {
    if (wanted !== null && !wanted.includes(name)) continue;
    if (typeof given === "string") {
      subjects[name] = given;
      continue;
    }
    if (name === "node-llama-cpp") process.env.MAGDI_BENCH_NODE_LLAMA_CPP = nodeLlamaCppEntry(say);
    const { subject, readyMs } = await SubjectProcess.open(`./subjects/${module}`, given);
    running.set(name, subject);
    subjects[name] = { readyMs, residentBytes: 0 };
    say(`${name} ready after ${readyMs.toFixed(0)} ms`);
  }
  return { running, subjects };
}

async function runSteps(
  engine: SubjectProcess | null,
  source: PromptSource,
  rows: number,
  repeats: number,
): Promise<BenchReport["steps"]> {
  if (engine === null) return [];
  const cases = stepCases(source, rows);
  const values = cases.map(() => [] as number[]);
  for (let round = -1; round < repeats; round++) {
    for (const [index, { rows: count, workload }] of cases.entries()) {
      const rate = decodeRate(await engine.run(workload), count);
      if (round >= 0) values[index]?.push((1000 * count) / rate);
    }
  }
  return cases.map(({ rows: count }, index) => ({
    rows: count,
    milliseconds: spreadOf(values[index] ?? []),
  }));
}

const argv = process.argv.slice(2);
if (argv.some((argument) => /^--device(=|$)/.test(argument))) {
  const { runDeviceBench } = await import("./device/main.ts");
  await runDeviceBench(argv);
} else await main();
