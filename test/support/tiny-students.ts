// The fixtures' tiny students, imported and opened, and the reference that PyTorch computed for each.

import { existsSync } from "node:fs";
import path from "node:path";
import { OnnxModelRunner, type OnnxModelRunnerOptions } from "../../src/engine/onnx-model-runner.ts";
import type { Dtype } from "../../src/student/dtype.ts";
import { openStudentFolder, type StudentFolder } from "../../src/student/open-student-folder.ts";
import { importStudent } from "../../src/student/write-student-folder.ts";
import { openSafetensors } from "../../src/tensor/safetensors.ts";
import { fixture } from "./scratch-folder.ts";

export interface Reference {
  /** [rows][tokens] */
  readonly ids: readonly Int32Array[];
  /** float32 [rows, tokens, vocabulary] */
  readonly logits: Float32Array;
  readonly vocabSize: number;
  /** The prompt of 9 tokens and the 24 that follow. */
  readonly greedy: Int32Array;
}

export interface TinyStudent {
  readonly name: string;
  /** A Hugging Face folder or a GGUF file. */
  readonly source: string;
  readonly reference: Reference;
}

function readIds(file: string, name: string): Int32Array {
  const opened = openSafetensors(file);
  try {
    const raw = opened.readRaw(name);
    const wide = opened.entries.get(name)?.type === "I64";
    return wide ? Int32Array.from(new BigInt64Array(raw.buffer), Number) : new Int32Array(raw.buffer);
  } finally {
    opened.close();
  }
}

function readReference(file: string): Reference {
  const opened = openSafetensors(file);
  try {
    const [rows = 0, tokens = 0, vocabSize = 0] = opened.entries.get("logits")?.shape ?? [];
    const ids = readIds(file, "input_ids");
    return {
      ids: Array.from({ length: rows }, (_, row) => ids.subarray(row * tokens, (row + 1) * tokens)),
      logits: opened.readFloat32("logits"),
      vocabSize,
      greedy: readIds(file, "greedy"),
    };
  } finally {
    opened.close();
  }
}

const FAMILIES = [
  "tiny-llama-kquant",
  "tiny-llama-linear",
  "tiny-llama3-rope",
  "tiny-llama3-rope-bands",
  "tiny-mistral",
  "tiny-qwen2-window",
  "tiny-qwen3",
  "tiny-qwen3-untied",
];

/** Every source in the fixtures; a folder with both forms gives two students. */
export function tinyStudents(): TinyStudent[] {
  const own = (name: string, source: string, reference: string): TinyStudent => ({
    name,
    source: fixture(source),
    reference: readReference(fixture(reference, "forward.safetensors")),
  });
  const families = FAMILIES.flatMap((name) => {
    const sources = ["base", "model.gguf"].filter((form) => existsSync(fixture("families", name, form)));
    return sources.map((form) =>
      own(`${name}/${form}`, path.join("families", name, form), `families/${name}`),
    );
  });
  return [
    own("tiny-llama/base", "tiny-llama/base", "tiny-llama"),
    own("tiny-llama.gguf", "tiny-llama.gguf", "tiny-llama"),
    own("tiny-qwen2/base", "tiny-qwen2/base", "tiny-qwen2"),
    own("tiny-qwen2-gguf/model.gguf", "families/tiny-qwen2-gguf/model.gguf", "tiny-qwen2"),
    ...families,
  ];
}

export function tinyStudent(name: string): TinyStudent {
  const found = tinyStudents().find((student) => student.name === name);
  if (found === undefined) throw new Error(`there is no tiny student ${name}`);
  return found;
}

/** Imports into `out` unmeasured; gives the folder of each dtype. */
export async function importTiny<const D extends Dtype>(
  source: string,
  out: string,
  dtypes: readonly D[],
): Promise<Record<D, StudentFolder>> {
  await importStudent({ source, out, dtypes });
  const folders = dtypes.map((dtype) => [dtype, openStudentFolder(out, dtype)]);
  return Object.fromEntries(folders); // one entry for each of dtypes
}

export function openRunner(
  student: StudentFolder,
  options: Partial<Omit<OnnxModelRunnerOptions, "graphPath" | "config">> = {},
): Promise<OnnxModelRunner> {
  return OnnxModelRunner.open({
    graphPath: student.engineGraph,
    config: student.config,
    maxRows: options.maxRows ?? 2,
    contextLength: options.contextLength ?? 64,
    prefillChunkTokens: options.prefillChunkTokens ?? 32,
    threads: options.threads ?? 1,
    probeChunking: options.probeChunking ?? false,
    device: options.device ?? "cpu",
    prefixBlocks: options.prefixBlocks ?? 0,
  });
}

/** Prefills chunk by chunk; the last position's logits [V], in an array of their own. */
export async function prefilled(
  runner: OnnxModelRunner,
  tokens: Int32Array,
  chunkTokens = tokens.length,
): Promise<Float32Array> {
  let logits = new Float32Array();
  for (let past = 0; past < tokens.length; past += chunkTokens) {
    const output = await runner.prefill(tokens.subarray(past, past + chunkTokens), past, true);
    logits = output.logits!.slice(0, runner.vocabSize);
  }
  return logits;
}

/** The most likely token. */
export function best(logits: Float32Array): number {
  return logits.reduce((top, logit, id) => (logit > logits[top]! ? id : top), 0);
}

/** `count` greedy tokens after the prompt, decoded in row 0. */
export async function greedyTokens(
  runner: OnnxModelRunner,
  prompt: Int32Array,
  count: number,
  chunkTokens?: number,
): Promise<number[]> {
  const tokens = [best(await prefilled(runner, prompt, chunkTokens))];
  runner.copyRow(runner.promptRow, 0, prompt.length);
  while (tokens.length < count) {
    const past = Int32Array.of(prompt.length + tokens.length - 1);
    const { candidateIds } = await runner.decode(1, Int32Array.of(tokens.at(-1)!), past, false);
    tokens.push(Number(candidateIds[0]));
  }
  return tokens;
}
