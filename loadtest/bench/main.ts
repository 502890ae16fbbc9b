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
import { openPythonPeer } from "./python-peer.ts";
import { readBandwidth } from "./read-bandwidth.ts";
import { type BenchReport, markdownOf, OURS, type SubjectReport } from "./report.ts";
import { runRounds } from "./rounds.ts";
import { spreadOf } from "./statistics.ts";
import { SubjectProcess } from "./subject-process.ts";
import { dtypeOf } from "./weights.ts";
import { decodeRate, type Subject, type SubjectOptions } from "./workload.ts";

const HELP = `Usage: npm run bench -- [options]

Measures the engine, the server and their peers on the same weights, in turns, and prints a Markdown table.
With --device cpu, webgpu or cuda it measures that device, and --device NAME --help tells its other options.

  --model DIR          student folder (default models/smollm2-135m-instruct)
  --dtype NAME         weights (default: the smallest that the folder holds)
  --gguf FILE          the same weights for llama.cpp and node-llama-cpp; without it they are left out
  --llama-cpp DIR      folder with llama.cpp's own llama-server, llama-bench and llama-batched-bench
  --python PYTHON      interpreter with onnxruntime-genai, which runs the student's transformers.js graph
  --subjects A,B       of magdi, stock (magdi with ONNX Runtime's operators), server, transformers.js, node-llama-cpp,
                       llama-server, onnxruntime-genai (default: all that can run)
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
      "llama-cpp": { type: "string" },
      python: { type: "string" },
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
  const { running, subjects } = await openSubjects(options, wanted ?? null, {
    gguf: values.gguf === undefined ? null : path.resolve(values.gguf),
    llamaCpp: values["llama-cpp"] ?? null,
    python: values.python ?? null,
  });
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
      values["llama-cpp"] && values.gguf ? runLlamaBench(values["llama-cpp"], values.gguf, threads) : null,
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

interface Running extends Subject {
  residentBytes(): Promise<number>;
}

interface OpenedSubjects {
  readonly running: Map<string, Running>;
  readonly subjects: Record<string, SubjectReport | string>;
}

/** Where peers and what they need lie; null for what was not given. */
interface Peers {
  readonly gguf: string | null;
  readonly llamaCpp: string | null;
  readonly python: string | null;
}

async function openSubjects(
  options: SubjectOptions,
  wanted: readonly string[] | null,
  { gguf, llamaCpp, python }: Peers,
): Promise<OpenedSubjects> {
  const running = new Map<string, Running>();
  const subjects: Record<string, SubjectReport | string> = {};
  const inProcess = (module: string, given = options, environment: NodeJS.ProcessEnv = {}) =>
    SubjectProcess.open(`./subjects/${module}`, given, environment);
  const offered: [string, (() => Promise<{ subject: Running; readyMs: number }>) | string][] = [
    [OURS, () => inProcess("engine.ts")],
    ["stock", () => inProcess("engine.ts", options, { MAGDI_KERNELS: "stock" })],
    ["server", () => inProcess("server.ts")],
    ["transformers.js", () => inProcess("transformers-js.ts")],
    [
      "node-llama-cpp",
      gguf === null
        ? "no --gguf given"
        : () =>
            inProcess(
              "node-llama-cpp.ts",
              { ...options, model: gguf },
              { MAGDI_BENCH_NODE_LLAMA_CPP: nodeLlamaCppEntry(say) },
            ),
    ],
    [
      "llama-server",
      gguf === null || llamaCpp === null
        ? "no --gguf and --llama-cpp given"
        : () =>
            inProcess(
              "llama-server.ts",
              { ...options, model: gguf },
              { MAGDI_BENCH_LLAMA_SERVER: path.join(llamaCpp, "llama-server") },
            ),
    ],
    ["onnxruntime-genai", python === null ? "no --python given" : () => openGenai(options, python)],
  ];
  for (const [name, open] of offered) {
    if (wanted !== null && !wanted.includes(name)) continue;
    if (typeof open === "string") {
      subjects[name] = open;
      continue;
    }
    const { subject, readyMs } = await open();
    running.set(name, subject);
    subjects[name] = { readyMs, residentBytes: 0 };
    say(`${name} ready after ${readyMs.toFixed(0)} ms`);
  }
  return { running, subjects };
}

async function openGenai(
  { model, dtype, threads, rows, contextLength }: SubjectOptions,
  python: string,
): Promise<{ subject: Running; readyMs: number }> {
  const startMs = performance.now();
  const graph = path.resolve(openStudentFolder(model, dtypeOf(dtype)).modelGraph);
  const program = "genai_peer.py";
  const subject = await openPythonPeer({
    ...{ python, program, base: graph, device: "cpu", threads, rows, contextLength },
  });
  return { subject, readyMs: performance.now() - startMs };
}

async function runSteps(
  engine: Running | null,
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
