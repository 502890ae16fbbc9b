// Opens a GGUF file (ggml's docs/gguf.md): its metadata and its tensors.

import { badFile, quoted, unsupported } from "./bad-file.ts";
import { FileBytes } from "./file-bytes.ts";
import { GgufCursor } from "./gguf-cursor.ts";
import { type GgufValue, readMetadata, readPairCount } from "./gguf-metadata.ts";
import { readTensorCount, readTensors } from "./gguf-tensors.ts";
import { closingOnError, type PlacedTensor, PlacedTensorFile } from "./tensor-file.ts";

export type { GgufValue } from "./gguf-metadata.ts";

const MAGIC = "GGUF";
const DEFAULT_ALIGNMENT = 32;

/** The getters throw MagdiError MAGDI_BAD_FILE when the key is missing or of another type; getOptional* give null for a missing one. */
export class GgufFile extends PlacedTensorFile {
  readonly metadata: ReadonlyMap<string, GgufValue>;

  constructor(
    file: FileBytes,
    metadata: ReadonlyMap<string, GgufValue>,
    tensors: ReadonlyMap<string, PlacedTensor>,
  ) {
    super(file, tensors);
    this.metadata = metadata;
  }

  getString(key: string): string {
    return this.#required(key, this.getOptionalString(key));
  }

  getOptionalString(key: string): string | null {
    return this.#typed(key, "a string", (value) => typeof value === "string");
  }

  getNumber(key: string): number {
    return this.#required(key, this.getOptionalNumber(key));
  }

  getOptionalNumber(key: string): number | null {
    return this.#typed(key, "a number within 2^53", isNumber);
  }

  getBoolean(key: string): boolean {
    return this.#required(key, this.getOptionalBoolean(key));
  }

  getOptionalBoolean(key: string): boolean | null {
    return this.#typed(key, "a boolean", (value) => typeof value === "boolean");
  }

  getStringArray(key: string): readonly string[] {
    return this.#required(key, this.getOptionalStringArray(key));
  }

  getOptionalStringArray(key: string): readonly string[] | null {
    return this.#typed(
      key,
      "an array of strings",
      (value): value is readonly string[] =>
        Array.isArray(value) && value.every((element) => typeof element === "string"),
    );
  }

  getNumberArray(key: string): readonly number[] {
    return this.#required(key, this.getOptionalNumberArray(key));
  }

  getOptionalNumberArray(key: string): readonly number[] | null {
    return this.#typed(
      key,
      "an array of numbers within 2^53",
      (value): value is readonly number[] => Array.isArray(value) && value.every(isNumber),
    );
  }

  #typed<T extends GgufValue>(
    key: string,
    expected: string,
    isType: (value: GgufValue) => value is T,
  ): T | null {
    const value = this.metadata.get(key);
    if (value === undefined) return null;
    if (isType(value)) return value;
    throw badFile(this.path, `metadata ${quoted(key)}`, expected, describe(value));
  }

  #required<T>(key: string, value: T | null): T {
    if (value !== null) return value;
    throw badFile(this.path, `metadata ${quoted(key)}`, "the key", "none such");
  }
}

function isNumber(value: GgufValue): value is number {
  return typeof value === "number";
}

function describe(value: GgufValue): string {
  if (Array.isArray(value)) return `an array of ${value.length}`;
  return `the ${typeof value} ${quoted(String(value))}`;
}

/**
 * Opens a file of version 2 or 3, little-endian; only metadata and tensor list are read.
 *
 * @throws MagdiError MAGDI_FILE_MISSING; MAGDI_BAD_FILE when it is truncated or breaks a rule of the format;
 * MAGDI_UNSUPPORTED for other versions, big-endian files, parts of split models, and ggml types not implemented.
 * @example const file = openGguf("model.gguf"); file.getString("general.architecture"); file.close();
 */
export function openGguf(path: string): GgufFile {
  const file = new FileBytes(path);
  return closingOnError(file, () => {
    const cursor = new GgufCursor(file);
    expectVersion(cursor, file);
    const tensorCount = readTensorCount(cursor);
    const metadata = readMetadata(cursor, readPairCount(cursor));
    expectWhole(path, metadata);
    return new GgufFile(file, metadata, readTensors(cursor, tensorCount, alignmentOf(path, metadata)));
  });
}

function expectVersion(cursor: GgufCursor, file: FileBytes): void {
  const magic = Buffer.from(file.read(0, 4, "the magic").buffer).toString("latin1");
  if (magic !== MAGIC) throw badFile(file.path, "the magic", MAGIC, `${quoted(magic)}; is it a GGUF file?`);
  cursor.u32("the magic");
  const version = cursor.u32("the version");
  if (version === 2 || version === 3) return;
  if (version === 1) {
    throw unsupported(file.path, "the version", "1 is too old; convert the model again, to version 3");
  }
  // A small number with its bytes reversed.
  if (version !== 0 && (version & 0xffff) === 0) {
    throw unsupported(file.path, "the version", "the file is big-endian; use a little-endian one");
  }
  throw badFile(file.path, "the version", "2 or 3", version);
}

function expectWhole(path: string, metadata: ReadonlyMap<string, GgufValue>): void {
  const parts = metadata.get("split.count");
  if (typeof parts !== "number" || parts <= 1) return;
  throw unsupported(path, "split.count", `one of ${parts} parts; join them with llama-gguf-split --merge`);
}

function alignmentOf(path: string, metadata: ReadonlyMap<string, GgufValue>): number {
  const value = metadata.get("general.alignment") ?? DEFAULT_ALIGNMENT;
  const isPowerOfTwo = typeof value === "number" && value > 0 && Number.isInteger(Math.log2(value));
  if (isPowerOfTwo && value >= 1 && value <= 2 ** 31) return value;
  const found = typeof value === "number" ? value : describe(value);
  throw badFile(path, 'metadata "general.alignment"', "a power of two", found);
}
