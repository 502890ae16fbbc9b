// Reads the key-value metadata of a GGUF file.

import { badFile, quoted, unsupported } from "./bad-file.ts";
import { type GgufCursor, type NumberType, numberBytes } from "./gguf-cursor.ts";

/** Whole numbers beyond 2^53 are bigint, all others number. */
export type GgufValue = string | number | bigint | boolean | readonly GgufValue[];

/** The format's limit on keys. */
const MAX_KEY_LENGTH = 65535;
const MAX_KEYS = 2 ** 20;
/** In all arrays together; the largest vocabularies have some 2^18 tokens. */
const MAX_ARRAY_ELEMENTS = 2 ** 24;
const MAX_ARRAY_DEPTH = 4;
/** A length, one character, a type and a byte. */
const MIN_PAIR_BYTES = 8 + 1 + 4 + 1;

/** gguf_metadata_value_type, by number. */
export const VALUE_TYPES = [
  "u8",
  "i8",
  "u16",
  "i16",
  "u32",
  "i32",
  "f32",
  "bool",
  "string",
  "array",
  "u64",
  "i64",
  "f64",
] as const satisfies readonly (NumberType | "bool" | "string" | "array")[];
export type GgufValueType = (typeof VALUE_TYPES)[number];

/** How many array elements the rest of the file may have. */
interface Budget {
  elements: number;
}

/** @throws MagdiError MAGDI_BAD_FILE naming the key; MAGDI_UNSUPPORTED for more keys, elements or depth than any model has. */
export function readMetadata(cursor: GgufCursor, count: number): Map<string, GgufValue> {
  if (count > MAX_KEYS) throw unsupported(cursor.path, "metadata", `${count} keys are over ${MAX_KEYS}`);
  const metadata = new Map<string, GgufValue>();
  const budget = { elements: MAX_ARRAY_ELEMENTS };
  for (let i = 0; i < count; i++) {
    const key = readName(cursor, `metadata key ${i + 1} of ${count}`);
    const where = `metadata ${quoted(key)}`;
    if (metadata.has(key)) throw badFile(cursor.path, where, "each key once", "it twice");
    metadata.set(key, readValue(cursor, readType(cursor, where), where, budget, 0));
  }
  return metadata;
}

/** The number of key-value pairs. */
export function readPairCount(cursor: GgufCursor): number {
  return cursor.count("the number of metadata keys", MIN_PAIR_BYTES);
}

/** A key's or tensor's name: not empty, not absurdly long, UTF-8. */
export function readName(cursor: GgufCursor, what: string): string {
  const name = cursor.string(what);
  if (name === "") throw badFile(cursor.path, what, "a name", "an empty one");
  if (name.length > MAX_KEY_LENGTH) {
    throw badFile(cursor.path, what, `at most ${MAX_KEY_LENGTH} characters`, name.length);
  }
  if (name.includes("\ufffd")) throw badFile(cursor.path, what, "UTF-8", quoted(name));
  return name;
}

function readType(cursor: GgufCursor, where: string): GgufValueType {
  const id = cursor.u32(where);
  const type = VALUE_TYPES[id];
  if (type === undefined) throw badFile(cursor.path, where, "a value type from 0 to 12", id);
  return type;
}

function readValue(
  cursor: GgufCursor,
  type: GgufValueType,
  where: string,
  budget: Budget,
  depth: number,
): GgufValue {
  if (type === "array") return readArray(cursor, where, budget, depth + 1);
  if (type === "string") return cursor.string(where);
  if (type === "bool") return readBoolean(cursor, where);
  // One was asked for.
  return cursor.numbers(type, 1, where)[0] ?? 0;
}

function readArray(cursor: GgufCursor, where: string, budget: Budget, depth: number): readonly GgufValue[] {
  if (depth > MAX_ARRAY_DEPTH) {
    throw unsupported(cursor.path, where, `arrays are nested deeper than ${MAX_ARRAY_DEPTH}`);
  }
  const type = readType(cursor, where);
  const count = cursor.count(`${where}, its length`, minimumBytes(type));
  budget.elements -= count;
  if (budget.elements < 0) {
    throw unsupported(cursor.path, where, `arrays have more than ${MAX_ARRAY_ELEMENTS} elements in all`);
  }
  if (type !== "string" && type !== "bool" && type !== "array") return cursor.numbers(type, count, where);
  const values: GgufValue[] = [];
  for (let i = 0; i < count; i++) values.push(readValue(cursor, type, where, budget, depth));
  return values;
}

function minimumBytes(type: GgufValueType): number {
  if (type === "array") return 4 + 8;
  if (type === "string") return 8;
  return type === "bool" ? 1 : numberBytes(type);
}

function readBoolean(cursor: GgufCursor, where: string): boolean {
  const byte = cursor.u8(where);
  if (byte > 1) throw badFile(cursor.path, where, "a boolean, 0 or 1", byte);
  return byte === 1;
}
