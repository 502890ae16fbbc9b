// Reads the tensor list of a GGUF file: each tensor's type, shape and place in the file.

import { badFile, quoted, unsupported } from "./bad-file.ts";
import type { GgufCursor } from "./gguf-cursor.ts";
import { readName } from "./gguf-metadata.ts";
import { type TensorType, tensorByteLength, typeLayout } from "./stored-type.ts";
import type { PlacedTensor } from "./tensor-file.ts";

const MAX_TENSORS = 2 ** 20;
/** GGML_MAX_DIMS */
const MAX_DIMENSIONS = 4;
/** A name's length and one character, the number of dimensions, a type and an offset. */
const MIN_TENSOR_BYTES = 8 + 1 + 4 + 4 + 8;

/** enum ggml_type, by number. */
export const GGML_TYPES: Readonly<Record<number, TensorType>> = {
  0: "F32",
  1: "F16",
  2: "Q4_0",
  3: "Q4_1",
  6: "Q5_0",
  7: "Q5_1",
  8: "Q8_0",
  12: "Q4_K",
  13: "Q5_K",
  14: "Q6_K",
  24: "I8",
  25: "I16",
  26: "I32",
  27: "I64",
  28: "F64",
  30: "BF16",
};
/** The types that ggml has and we have not. */
const NOT_IMPLEMENTED: Readonly<Record<number, string>> = {
  4: "Q4_2",
  5: "Q4_3",
  9: "Q8_1",
  10: "Q2_K",
  11: "Q3_K",
  15: "Q8_K",
  16: "IQ2_XXS",
  17: "IQ2_XS",
  18: "IQ3_XXS",
  19: "IQ1_S",
  20: "IQ4_NL",
  21: "IQ3_S",
  22: "IQ2_S",
  23: "IQ4_XS",
  29: "IQ1_M",
  31: "Q4_0_4_4",
  32: "Q4_0_4_8",
  33: "Q4_0_8_8",
  34: "TQ1_0",
  35: "TQ2_0",
  36: "IQ4_NL_4_4",
  37: "IQ4_NL_4_8",
  38: "IQ4_NL_8_8",
  39: "MXFP4",
  40: "NVFP4",
  41: "Q1_0",
};

/** A tensor of the list; its offset counts from the start of the data section. */
interface ListedTensor {
  readonly name: string;
  readonly type: TensorType;
  readonly shape: readonly number[];
  readonly byteLength: number;
  readonly offset: number;
}

export function readTensorCount(cursor: GgufCursor): number {
  return cursor.count("the number of tensors", MIN_TENSOR_BYTES);
}

/**
 * Reads the descriptions of `count` tensors, and checks that their data is aligned, in the file and without overlap.
 *
 * @throws MagdiError MAGDI_BAD_FILE naming the tensor; MAGDI_UNSUPPORTED for ggml types that are not implemented.
 */
export function readTensors(cursor: GgufCursor, count: number, alignment: number): Map<string, PlacedTensor> {
  if (count > MAX_TENSORS) throw unsupported(cursor.path, "tensors", `${count} are over ${MAX_TENSORS}`);
  const listed = new Map<string, ListedTensor>();
  for (let i = 0; i < count; i++) {
    const tensor = readTensor(cursor, `tensor ${i + 1} of ${count}`, alignment);
    if (listed.has(tensor.name)) {
      throw badFile(cursor.path, `tensor ${quoted(tensor.name)}`, "each name once", "it twice");
    }
    listed.set(tensor.name, tensor);
  }
  const dataStart = Math.ceil(cursor.position / alignment) * alignment;
  expectApart(cursor, [...listed.values()], dataStart);
  const placed = new Map<string, PlacedTensor>();
  for (const { offset, ...entry } of listed.values()) {
    placed.set(entry.name, { ...entry, position: dataStart + offset });
  }
  return placed;
}

function readTensor(cursor: GgufCursor, what: string, alignment: number): ListedTensor {
  const name = readName(cursor, `the name of ${what}`);
  const where = `tensor ${quoted(name)}`;
  const dimensions = cursor.u32(where);
  if (dimensions > MAX_DIMENSIONS) {
    throw badFile(cursor.path, where, `at most ${MAX_DIMENSIONS} dimensions`, dimensions);
  }
  const shape: number[] = [];
  // GGUF has the innermost dimension first.
  for (let i = 0; i < dimensions; i++) shape.unshift(safeNumber(cursor, `${where}, dimension ${i}`));
  const type = readType(cursor, where);
  const byteLength = tensorByteLength(type, shape);
  if (byteLength === null) {
    const blocks = `rows of whole blocks of ${typeLayout(type).blockElements}, countable`;
    throw badFile(cursor.path, where, blocks, `${type} [${shape.join(", ")}]`);
  }
  const offset = safeNumber(cursor, `${where}, offset`);
  if (offset % alignment !== 0) {
    throw badFile(cursor.path, where, `an offset that is a multiple of ${alignment}`, offset);
  }
  return { name, type, shape, byteLength, offset };
}

function readType(cursor: GgufCursor, where: string): TensorType {
  const id = cursor.u32(where);
  const type = GGML_TYPES[id];
  if (type !== undefined) return type;
  const name = NOT_IMPLEMENTED[id];
  if (name === undefined) throw badFile(cursor.path, where, "a known ggml type", id);
  throw unsupported(cursor.path, where, `type ${name} is not implemented; use a file in Q4_K, Q6_K or Q8_0`);
}

function safeNumber(cursor: GgufCursor, what: string): number {
  const value = cursor.u64(what);
  if (value <= Number.MAX_SAFE_INTEGER) return Number(value);
  throw badFile(cursor.path, what, "a number below 2^53", value);
}

/** Gaps are padding; an overlap, or data past the file's end, is an error. */
function expectApart(cursor: GgufCursor, tensors: ListedTensor[], dataStart: number): void {
  tensors.sort((a, b) => a.offset - b.offset || a.byteLength - b.byteLength);
  const dataBytes = Math.max(0, cursor.position + cursor.remainingBytes - dataStart);
  let end = 0;
  for (const { name, offset, byteLength } of tensors) {
    const where = `tensor ${quoted(name)}`;
    if (offset < end) {
      throw badFile(cursor.path, where, `data from offset ${end} on, after the tensor before`, offset);
    }
    end = offset + byteLength;
    if (end > dataBytes) {
      const found = `${dataBytes}; is it truncated?`;
      throw badFile(cursor.path, where, `${end} bytes of data in the file`, found);
    }
  }
}
