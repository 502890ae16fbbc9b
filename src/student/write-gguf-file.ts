// Writes a base as one GGUF file, for llama.cpp and what is built on it: weights, configuration, tokenizer and chat template.

import { existsSync, mkdirSync, statSync } from "node:fs";
import path from "node:path";
import { MagdiError } from "../base/errors.ts";
import { writingMeanwhile } from "../base/files/write-errors.ts";
import { expectedTensors } from "../nn/decoder-config.ts";
import { type GgufField, writeGguf } from "../tensor/gguf-writer.ts";
import { tensorByteLength } from "../tensor/stored-type.ts";
import type { TensorData } from "../tensor/tensor-data.ts";
import { ggufTokenizerFields } from "../text/gguf-tokenizer-fields.ts";
import type { BaseModel } from "./base-model.ts";
import { ggufArchitecture, ggufContextLength, ggufFields, ropeFactors } from "./gguf-config.ts";
import { ggufName, inverseOrder, permuteRows, rotaryRowsOf } from "./gguf-tensor-names.ts";
import type { PortableModel } from "./model-card.ts";
import { type PortableType, portableData, widthNotes } from "./portable-weights.ts";
import { type PreparationOptions, withPreparedBase } from "./prepared-base.ts";

/** By the name that --dtype has: the type of the matrices, of those with a row for each token, and LLAMA_FTYPE. */
const FORMATS = {
  f32: { type: "F32", vocabulary: "F32", fileType: 0 },
  f16: { type: "F16", vocabulary: "F16", fileType: 1 },
  bf16: { type: "BF16", vocabulary: "BF16", fileType: 32 },
  q8_0: { type: "Q8_0", vocabulary: "Q8_0", fileType: 7 },
  q4_1: { type: "Q4_1", vocabulary: "Q8_0", fileType: 3 },
  q4_k: { type: "Q4_K", vocabulary: "Q8_0", fileType: 14 },
} as const satisfies Record<
  string,
  { readonly type: PortableType; readonly vocabulary: PortableType; readonly fileType: number }
>;
export type GgufDtype = keyof typeof FORMATS;
export const GGUF_DTYPES = Object.keys(FORMATS) as GgufDtype[]; // its keys are no others
export const DEFAULT_GGUF_DTYPE: GgufDtype = "f16";

export interface GgufOptions extends PreparationOptions {
  /** Default: DEFAULT_GGUF_DTYPE. */
  readonly dtype?: GgufDtype;
  /** Replace an existing file. */
  readonly force?: boolean;
}

/**
 * Writes the file whole or not at all, one tensor in memory at a time.
 * @throws MagdiError, MAGDI_UNSUPPORTED for what llama.cpp would compute or tokenise otherwise, MAGDI_BAD_CONFIG for a file
 * that is there, MAGDI_NOT_WRITTEN
 */
export async function writeGgufFile(options: GgufOptions): Promise<PortableModel> {
  const out = path.resolve(options.out);
  assertFree(out, options.force ?? false);
  const dtype = options.dtype ?? DEFAULT_GGUF_DTYPE;
  return writingMeanwhile(out, () =>
    withPreparedBase({ ...options, out }, async (prepared) => {
      const { base, sourcePath, provenance } = prepared;
      if (existsSync(sourcePath) && path.resolve(sourcePath) === out) {
        throw new MagdiError("MAGDI_BAD_CONFIG", `--out: ${out} is the base itself; name another file`);
      }
      const { type, fileType } = FORMATS[dtype];
      const architecture = ggufArchitecture(base);
      const notes = [...(provenance.notes ?? []), ...widthNotes(prepared, type)];
      const fields = new Map<string, GgufField>(ggufFields(base, architecture, provenance, fileType));
      for (const [key, field] of tokenizerFields(base, notes)) fields.set(key, field);
      if (ggufContextLength(base.config) < base.config.positions) {
        notes.push(
          `llama.cpp has no sliding window here, so the context is cut from ${base.config.positions} tokens to the window's ${ggufContextLength(base.config)}, within which both are the same.`,
        );
      }
      const tensors = tensorsOf(base, architecture, dtype);
      mkdirSync(path.dirname(out), { recursive: true });
      let done = 0;
      writeGguf(out, fields, tensors, () =>
        options.onProgress?.({ stage: `writing ${dtype}`, done: ++done, total: tensors.length }),
      );
      return { provenance: notes.length === 0 ? provenance : { ...provenance, notes }, dtype };
    }),
  );
}

/** @throws MAGDI_BAD_CONFIG */
function assertFree(out: string, force: boolean): void {
  if (!/\.gguf$/i.test(out)) {
    throw new MagdiError("MAGDI_BAD_CONFIG", `--out: expected a name that ends in .gguf, found ${out}`);
  }
  const found = statSync(out, { throwIfNoEntry: false });
  if (found === undefined || (force && found.isFile())) return;
  throw new MagdiError(
    "MAGDI_BAD_CONFIG",
    found.isFile()
      ? `--out: ${out} exists; pass --force to replace it`
      : `--out: ${out} exists and is not a file; name one that does not exist`,
  );
}

function tokenizerFields(base: BaseModel, notes: string[]): Iterable<readonly [string, GgufField]> {
  if (!base.textFiles.has("tokenizer.json")) {
    notes.push("The source has no tokenizer, nor has the file: llama.cpp computes with token ids alone.");
    return [["tokenizer.ggml.model", { type: "string", value: "none" }]];
  }
  const { configJson, generationConfig } = base;
  const ends = generationConfig.eos_token_id ?? configJson.eos_token_id;
  const begin = configJson.bos_token_id;
  const tokenizer = ggufTokenizerFields(base.textFiles, {
    vocabSize: base.config.vocabSize,
    endIds: (Array.isArray(ends) ? ends : [ends]).filter((id) => typeof id === "number"),
    bosId: typeof begin === "number" ? begin : null,
    origin: base.source,
  });
  notes.push(...tokenizer.notes);
  return tokenizer.fields;
}

function tensorsOf(base: BaseModel, architecture: string, dtype: GgufDtype): TensorData[] {
  const factors = ropeFactors(base.config);
  const tensors = [...expectedTensors(base.config)].map(([name, shape]): TensorData => {
    const written = ggufName(name);
    const type = typeOf(written, shape, dtype);
    const order = rotaryRowsOf(architecture, written, shape[0] ?? 0, base.config);
    return {
      name: written,
      type,
      shape,
      data: () => {
        const data = portableData(base, name, type);
        if (order === null) return data;
        const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
        return permuteRows(bytes, inverseOrder(order), bytes.length / order.length);
      },
    };
  });
  return factors === null
    ? tensors
    : [{ name: "rope_freqs.weight", type: "F32", shape: [factors.length], data: factors }, ...tensors];
}

/** Vectors stay float32, as in llama.cpp's converter; rows that are not whole blocks get a type that has smaller ones. */
function typeOf(name: string, shape: readonly number[], dtype: GgufDtype): PortableType {
  if (shape.length < 2) return "F32";
  const { type, vocabulary } = FORMATS[dtype];
  const wanted = name === "token_embd.weight" || name === "output.weight" ? vocabulary : type;
  const types: readonly PortableType[] = [wanted, "Q8_0", "F16"];
  return types.find((each) => tensorByteLength(each, shape) !== null) ?? "F16";
}
