// npm run bench -- --device NAME: our engine on a device beside Transformers and vLLM in Python on the same weights.

import { execFileSync } from "node:child_process";
import { cpus } from "node:os";
import { parseArgs } from "node:util";
import { writeWholeFile } from "../../../src/base/files/whole-file.ts";
import { unavailable } from "../../../src/runtime/device.ts";
import { DEVICES, type Device } from "../../../src/runtime/device-name.ts";
import { usableProcessors } from "../../../src/runtime/usable-processors.ts";
import { weightBytes } from "../../../src/student/manifest.ts";
import { openStudentFolder } from "../../../src/student/open-student-folder.ts";
import { openTokenizer } from "../../../src/text/tokenizer.ts";
import { ownVersion } from "../../machine.ts";
import { promptSource } from "../prompts.ts";
import { openPythonPeer } from "../python-peer.ts";
import { readBandwidth } from "../read-bandwidth.ts";
import { OURS } from "../report.ts";
import { runRounds } from "../rounds.ts";
import { SubjectProcess } from "../subject-process.ts";
import { dtypeOf } from "../weights.ts";
import type { Subject } from "../workload.ts";
import { deviceBandwidth } from "./bandwidth.ts";
import { type DeviceAmounts, deviceCases } from "./cases.ts";
import { type DeviceReport, deviceMarkdown } from "./report.ts";

const HELP = `Usage: npm run bench -- --device ${DEVICES.join("|")} [options]

Measures the engine on a device beside Hugging Face Transformers and vLLM in Python on the same weights, in turns, and
prints a Markdown table: rows side by side, the first token, the share of what the device's memory would allow.

  --model DIR          student folder (default models/smollm2-135m-instruct)
  --dtype NAME         its weights (default: what suits the device)
  --base DIR           the same weights in Transformers' format, for the peers; without it they are left out
  --python FILE        interpreter with torch and transformers, and vllm where it is to be measured (default python3)
  --rows LIST          rows side by side (default 1,10,64,256)
  --prompt-tokens N    (default 64)
  --tokens N           of each answer (default 64)
  --threads N          of the processor's part (default: the processors of this process)
  --repeats N          rounds (default 5)
  --bandwidth-bytes N  of the tensor that the memory is measured with (default 268435456)
  --json FILE --markdown FILE
`;

const OPTIONS = {
  device: { type: "string" },
  model: { type: "string", default: "models/smollm2-135m-instruct" },
  dtype: { type: "string" },
  base: { type: "string" },
  python: { type: "string", default: "python3" },
  rows: { type: "string", default: "1,10,64,256" },
  "prompt-tokens": { type: "string", default: "64" },
  tokens: { type: "string", default: "64" },
  threads: { type: "string", default: String(usableProcessors()) },
  repeats: { type: "string", default: "5" },
  "bandwidth-bytes": { type: "string", default: String(2 ** 28) },
  json: { type: "string" },
  markdown: { type: "string" },
  help: { type: "boolean", short: "h" },
} as const;

type Running = Map<string, Subject & { residentBytes(): Promise<number> }>;

/** Of peers/, by the name of its column. */
const PEERS = { Transformers: "transformers_peer.py", vLLM: "vllm_peer.py" } as const;

/** Progress, apart from the result. */
const say = (line: string): void => void process.stderr.write(`${line}\n`);

function whole(flag: string, text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1) return value;
  throw new Error(`--${flag}: expected whole numbers from 1, found "${text}"`);
}

function hardwareOf(device: Device): string {
  if (device === "cpu") return cpus()[0]?.model.trim() ?? "an unknown processor";
  try {
    const query = ["--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"];
    return execFileSync("nvidia-smi", query, {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    }).trim();
  } catch {
    return `the GPU that ${device} chose`;
  }
}

interface OpenOptions extends DeviceAmounts {
  readonly device: Device;
  readonly model: string;
  readonly dtype: string;
  readonly base: string | null;
  readonly python: string;
  readonly threads: number;
}

async function openSubjects(options: OpenOptions, running: Running): Promise<DeviceReport["subjects"]> {
  const { device, model, dtype, threads, base, python } = options;
  const rows = Math.max(2, ...options.rows);
  const contextLength = Math.max(16, options.promptTokens + options.maxTokens + 2);
  const subjects: Record<string, DeviceReport["subjects"][string]> = {};
  const own = { model, dtype, threads, rows, contextLength, device };
  const { subject, readyMs } = await SubjectProcess.open("./subjects/engine.ts", own);
  running.set(OURS, subject);
  subjects[OURS] = { readyMs, residentBytes: 0, description: `${dtype} on ${device}` };
  say(`${OURS} ready after ${readyMs.toFixed(0)} ms`);
  for (const [name, program] of Object.entries(PEERS)) {
    if (base === null) {
      subjects[name] = "no --base given";
      continue;
    }
    try {
      const startMs = performance.now();
      // They know no WebGPU: beside it they have the same GPU by CUDA.
      const theirs = device === "cpu" ? "cpu" : "cuda";
      const peer = await openPythonPeer({
        python,
        program,
        base,
        device: theirs,
        threads,
        rows,
        contextLength,
      });
      running.set(name, peer);
      const readyMs = performance.now() - startMs;
      subjects[name] = { readyMs, residentBytes: 0, description: peer.description };
      say(`${name} ready after ${readyMs.toFixed(0)} ms`);
    } catch (error) {
      subjects[name] = error instanceof Error ? error.message : String(error);
    }
  }
  return subjects;
}

/** The whole bench on one device. */
export async function runDeviceBench(argv: readonly string[]): Promise<void> {
  const { values } = parseArgs({ args: [...argv], options: OPTIONS });
  if (values.help) return void process.stdout.write(HELP);
  const device = DEVICES.find((known) => known === values.device);
  if (device === undefined) {
    throw new Error(`--device: expected ${DEVICES.join(", ")}, found "${values.device}"`);
  }
  const reason = device === "cpu" ? null : await unavailable(device);
  if (reason !== null) throw new Error(`${device} cannot be measured here: ${reason}; see magdi doctor`);
  const startedAt = new Date().toISOString();
  const amounts: DeviceAmounts = {
    rows: values.rows.split(",").map((text) => whole("rows", text)),
    promptTokens: whole("prompt-tokens", values["prompt-tokens"]),
    maxTokens: Math.max(2, whole("tokens", values.tokens)),
  };
  const threads = whole("threads", values.threads);
  const repeats = whole("repeats", values.repeats);
  const bytes = whole("bandwidth-bytes", values["bandwidth-bytes"]);
  const bytesPerSecond =
    device === "cpu" ? await readBandwidth(threads, bytes) : await deviceBandwidth(device, threads, bytes);
  say(`memory moves ${(bytesPerSecond / 1e9).toFixed(1)} GB/s`);

  const folder = openStudentFolder(values.model, dtypeOf(values.dtype), device);
  const { model, base = null, python } = values;
  const running: Running = new Map();
  const options = { ...amounts, device, model, dtype: folder.dtype, base, python, threads };
  let report: DeviceReport;
  try {
    const opened = { ...(await openSubjects(options, running)) };
    const cases = deviceCases(promptSource(await openTokenizer(model)), amounts);
    const reports = await runRounds(running, cases, repeats, say);
    for (const [name, subject] of running) {
      const known = opened[name];
      if (typeof known === "object")
        opened[name] = { ...known, residentBytes: await subject.residentBytes() };
    }
    report = {
      version: ownVersion(),
      startedAt,
      command: `npm run bench -- ${argv.join(" ")}`,
      device,
      hardware: hardwareOf(device),
      node: process.versions.node,
      model: folder.manifest.name,
      dtype: folder.dtype,
      weightBytes: weightBytes(folder.manifest, folder.dtype),
      bytesPerSecond,
      repeats,
      subjects: opened,
      cases: reports,
    };
  } finally {
    for (const subject of running.values()) await subject.close();
  }
  const markdown = deviceMarkdown(report);
  process.stdout.write(`\n${markdown}`);
  if (values.json) writeWholeFile(values.json, `${JSON.stringify(report, null, 2)}\n`);
  if (values.markdown) writeWholeFile(values.markdown, markdown);
}
