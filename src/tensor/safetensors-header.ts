// Reads and checks the header of a safetensors file: each tensor's type, shape and place in the file. The rules are
// those of Hugging Face's own reader, safetensors/src/tensor.rs.

import { badFile, quoted, unsupported } from "./bad-file.ts";
import type { FileBytes } from "./file-bytes.ts";
import { JsonCursor } from "./json-cursor.ts";
import { isTensorType, type TensorType, tensorByteLength, typeLayout } from "./stored-type.ts";
import type { PlacedTensor } from "./tensor-file.ts";

export const MAX_HEADER_BYTES = 100_000_000;
/** More than any framework allows; it bounds the memory that a hostile header can take. */
const MAX_DIMENSIONS = 64;
/** In the format, but not implemented here. */
const KNOWN_UNSUPPORTED = /^(F8_\w+|F6_\w+|F4|C64|C128)$/;

export interface SafetensorsHeader {
  readonly metadata: ReadonlyMap<string, string>;
  /** In the order of their data. */
  readonly tensors: ReadonlyMap<string, PlacedTensor>;
}

/** @throws MagdiError as openSafetensors. */
export function readSafetensorsHeader(file: FileBytes): SafetensorsHeader {
  const length = new DataView(file.read(0, 8, "the header's length").buffer).getBigUint64(0, true);
  if (length > MAX_HEADER_BYTES) {
    throw badFile(
      file.path,
      "the header's length",
      `at most ${MAX_HEADER_BYTES} bytes`,
      `${length}; is it safetensors?`,
    );
  }
  const lengthBytes = Number(length);
  const text = decodeUtf8(file.path, "the header", file.read(8, lengthBytes, "the header"));
  // The format demands it as the first byte: no white space or byte order mark may come before.
  if (!text.startsWith("{")) throw badFile(file.path, "the header", 'a "{" first', quoted(text.slice(0, 1)));
  return parseHeader(file, text, 8 + lengthBytes);
}

export function decodeUtf8(path: string, what: string, bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (error) {
    throw badFile(path, what, "UTF-8", "bytes that are not", error);
  }
}

function parseHeader(file: FileBytes, text: string, dataStart: number): SafetensorsHeader {
  const json = new JsonCursor(file.path, "the header", text);
  const metadata = new Map<string, string>();
  const tensors: PlacedTensor[] = [];
  json.object((key) => {
    if (key !== "__metadata__") tensors.push(readTensor(file, json, key, dataStart));
    else if (!json.isNull()) json.object((name) => metadata.set(name, json.string("text")));
  });
  json.end();
  tensors.sort((a, b) => a.position - b.position || a.byteLength - b.byteLength);
  expectContiguous(file, tensors, dataStart);
  return { metadata, tensors: new Map(tensors.map((tensor) => [tensor.name, tensor])) };
}

function readTensor(file: FileBytes, json: JsonCursor, name: string, dataStart: number): PlacedTensor {
  const where = `tensor ${quoted(name)}`;
  if (name === "") throw badFile(file.path, where, "a name", "none");
  let typeName: string | null = null;
  let shape: number[] | null = null;
  let offsets: number[] | null = null;
  json.object((field) => {
    if (field === "dtype") typeName = json.string("a dtype");
    else if (field === "shape") shape = readCounts(json, `${where}, shape`, MAX_DIMENSIONS);
    else if (field === "data_offsets") offsets = readCounts(json, `${where}, data_offsets`, 2);
    else json.skip();
  });
  return placeTensor(file, name, { typeName, shape, offsets }, dataStart);
}

function readCounts(json: JsonCursor, what: string, most: number): number[] {
  const counts: number[] = [];
  json.array(`${what}: an array`, () => {
    if (counts.length === most) throw json.fail(`${what}: at most ${most} numbers`, "more");
    counts.push(json.count(what));
  });
  return counts;
}

function placeTensor(
  file: FileBytes,
  name: string,
  fields: { typeName: string | null; shape: number[] | null; offsets: number[] | null },
  dataStart: number,
): PlacedTensor {
  const where = `tensor ${quoted(name)}`;
  const { typeName, shape, offsets } = fields;
  const [begin, end] = offsets ?? [];
  if (typeName === null || shape === null || begin === undefined || end === undefined) {
    throw badFile(file.path, where, "dtype, shape and two data_offsets", "fewer");
  }
  const type = plainType(file.path, where, typeName);
  const byteLength = tensorByteLength(type, shape);
  if (byteLength !== end - begin) {
    const expected = `${byteLength ?? "a countable number of"} bytes for ${type} [${shape.join(", ")}]`;
    throw badFile(file.path, where, expected, `data_offsets [${begin}, ${end}]`);
  }
  return { name, type, shape, byteLength, position: dataStart + begin };
}

function plainType(path: string, where: string, name: string): TensorType {
  if (isTensorType(name) && typeLayout(name).blockElements === 1) return name;
  if (KNOWN_UNSUPPORTED.test(name)) {
    throw unsupported(path, where, `dtype ${name} is not implemented; convert it to F32, F16 or BF16`);
  }
  throw badFile(path, where, "a dtype of the format", quoted(name));
}

/** The tensors' data must fill the rest of the file, without holes or overlaps. */
function expectContiguous(file: FileBytes, tensors: readonly PlacedTensor[], dataStart: number): void {
  let end = dataStart;
  for (const { name, position, byteLength } of tensors) {
    if (position !== end) {
      const found = `${position - dataStart}: ${position < end ? "an overlap" : "a hole"}`;
      throw badFile(file.path, `tensor ${quoted(name)}`, `data at offset ${end - dataStart}`, found);
    }
    end += byteLength;
  }
  if (end !== file.sizeBytes) {
    const hint = end > file.sizeBytes ? "is it truncated?" : "what follows the last tensor?";
    throw badFile(file.path, "the file", `${end} bytes`, `${file.sizeBytes}; ${hint}`);
  }
}
