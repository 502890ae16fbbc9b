// Writes a GGUF file of version 3 whole or not at all. It knows nothing of what keys and tensors mean.

import { WholeFile } from "../base/files/whole-file.ts";
import { badFile, quoted } from "./bad-file.ts";
import { type NumberType, numberBytes } from "./gguf-cursor.ts";
import { type GgufValueType, VALUE_TYPES } from "./gguf-metadata.ts";
import { GGML_TYPES } from "./gguf-tensors.ts";
import { type TensorType, tensorByteLength } from "./stored-type.ts";
import { dataOf, type TensorData } from "./tensor-data.ts";

const VERSION = 3;
const ALIGNMENT = 32;

/** The numbers that metadata of models has. */
type WrittenNumber = Extract<NumberType, "u32" | "i32" | "f32">;

/** A value with the type that it has in the file. */
export type GgufField =
  | { readonly type: WrittenNumber; readonly value: number }
  | { readonly type: "bool"; readonly value: boolean }
  | { readonly type: "string"; readonly value: string }
  | { readonly type: "array"; readonly of: "string"; readonly values: readonly string[] }
  | { readonly type: "array"; readonly of: WrittenNumber; readonly values: ArrayLike<number> };

export type GgufFields = ReadonlyMap<string, GgufField>;

/**
 * Writes beside `path`, syncs, and renames. Keys and tensors keep their order, and the same ones give the same bytes.
 *
 * @throws MagdiError MAGDI_BAD_FILE when a name comes twice or data does not fit its shape; MAGDI_NOT_WRITTEN.
 * @example writeGguf("a.gguf", new Map([["general.architecture", { type: "string", value: "llama" }]]), [])
 */
export function writeGguf(
  path: string,
  fields: GgufFields,
  tensors: readonly TensorData[],
  onWritten?: (name: string) => void,
): void {
  const header = headerOf(path, fields, tensors);
  const file = new WholeFile(path);
  try {
    file.write(header);
    for (const tensor of tensors) {
      const bytes = dataOf(path, tensor);
      file.write(bytes);
      file.write(new Uint8Array(paddingOf(bytes.byteLength)));
      onWritten?.(tensor.name);
    }
  } catch (error) {
    file.discard();
    throw error;
  }
  file.commit();
}

/** Magic, version, counts, metadata and tensor list, padded to where the data begins. */
function headerOf(path: string, fields: GgufFields, tensors: readonly TensorData[]): Buffer {
  const bytes = new Bytes();
  bytes.raw(Buffer.from("GGUF"));
  bytes.number("u32", VERSION);
  bytes.u64(tensors.length);
  bytes.u64(fields.size);
  for (const [key, field] of fields) {
    bytes.text(key);
    writeField(bytes, field);
  }
  const seen = new Set<string>();
  let offset = 0;
  for (const { name, type, shape } of tensors) {
    const where = `writing tensor ${quoted(name)}`;
    if (seen.has(name)) throw badFile(path, where, "names of their own", "it twice");
    seen.add(name);
    const length = tensorByteLength(type, shape);
    const id = TYPE_IDS.get(type);
    if (length === null || id === undefined) {
      throw badFile(path, where, "a ggml type and whole blocks", `${type} [${shape.join(", ")}]`);
    }
    bytes.text(name);
    bytes.number("u32", shape.length);
    for (const dimension of [...shape].reverse()) bytes.u64(dimension);
    bytes.number("u32", id);
    bytes.u64(offset);
    offset += length + paddingOf(length);
  }
  bytes.raw(Buffer.alloc(paddingOf(bytes.length)));
  return bytes.joined();
}

const TYPE_IDS = new Map<TensorType, number>(
  Object.entries(GGML_TYPES).map(([id, type]) => [type, Number(id)]),
);

function paddingOf(length: number): number {
  return (ALIGNMENT - (length % ALIGNMENT)) % ALIGNMENT;
}

function writeField(bytes: Bytes, field: GgufField): void {
  bytes.number("u32", idOf(field.type));
  switch (field.type) {
    case "string":
      bytes.text(field.value);
      return;
    case "bool":
      bytes.raw(Buffer.from([field.value ? 1 : 0]));
      return;
    case "array":
      bytes.number("u32", idOf(field.of));
      bytes.u64(field.values.length);
      if (field.of === "string") for (const text of field.values) bytes.text(text);
      else bytes.numbers(field.of, field.values);
      return;
    default:
      bytes.number(field.type, field.value);
  }
}

function idOf(type: GgufValueType): number {
  return VALUE_TYPES.indexOf(type);
}

/** Little-endian bytes, joined at the end. */
class Bytes {
  readonly #parts: Buffer[] = [];
  length = 0;

  raw(part: Buffer): void {
    this.#parts.push(part);
    this.length += part.length;
  }

  number(type: WrittenNumber, value: number): void {
    this.numbers(type, [value]);
  }

  numbers(type: WrittenNumber, values: ArrayLike<number>): void {
    const width = numberBytes(type);
    const part = Buffer.alloc(width * values.length);
    for (let i = 0; i < values.length; i++) {
      const value = values[i]!;
      if (type === "f32") part.writeFloatLE(value, i * width);
      else if (type === "u32") part.writeUInt32LE(value, i * width);
      else part.writeInt32LE(value, i * width);
    }
    this.raw(part);
  }

  u64(value: number): void {
    const part = Buffer.alloc(8);
    part.writeBigUInt64LE(BigInt(value));
    this.raw(part);
  }

  text(value: string): void {
    const part = Buffer.from(value);
    this.u64(part.length);
    this.raw(part);
  }

  joined(): Buffer {
    return Buffer.concat(this.#parts);
  }
}
