// A file of named tensors, read one at a time, whatever its format.

import { badFile, quoted, unsupported } from "./bad-file.ts";
import type { FileBytes } from "./file-bytes.ts";
import { dequantize, isFloatType } from "./ggml-blocks.ts";
import { elementCount, type TensorType } from "./stored-type.ts";

export type { TensorType } from "./stored-type.ts";

export interface TensorEntry {
  readonly name: string;
  readonly type: TensorType;
  /** Row-major, outermost dimension first (also for GGUF, whose files have the reverse order). */
  readonly shape: readonly number[];
  readonly byteLength: number;
}

/** Every array it returns has an ArrayBuffer of its own, from byte 0. */
export interface TensorFile {
  readonly path: string;
  readonly entries: ReadonlyMap<string, TensorEntry>;
  /** @throws MagdiError MAGDI_BAD_FILE when there is no such tensor or the file was closed. */
  readRaw(name: string): Uint8Array<ArrayBuffer>;
  /**
   * The tensor's values [product of shape]; blocks are dequantised.
   *
   * @throws MagdiError as readRaw; MAGDI_UNSUPPORTED for integers and booleans.
   */
  readFloat32(name: string): Float32Array<ArrayBuffer>;
  /** May be called twice. */
  close(): void;
}

/** An entry, and the position of its data from the file's start. */
export interface PlacedTensor extends TensorEntry {
  readonly position: number;
}

/** What the readers of single files share. The entries must have been checked against the file's size. */
export class PlacedTensorFile implements TensorFile {
  readonly path: string;
  readonly entries: ReadonlyMap<string, PlacedTensor>;
  readonly #file: FileBytes;

  constructor(file: FileBytes, entries: ReadonlyMap<string, PlacedTensor>) {
    this.path = file.path;
    this.entries = entries;
    this.#file = file;
  }

  readRaw(name: string): Uint8Array<ArrayBuffer> {
    const entry = this.#entry(name);
    return this.#file.read(entry.position, entry.byteLength, `tensor ${quoted(name)}`);
  }

  readFloat32(name: string): Float32Array<ArrayBuffer> {
    const { type, shape } = this.#entry(name);
    if (!isFloatType(type)) {
      throw unsupported(
        this.path,
        `tensor ${quoted(name)}`,
        `expected floats, found ${type}: whole numbers, the codes of a quantised checkpoint; use the one that it was made from`,
      );
    }
    // A checked entry's shape has a count.
    return dequantize(type, this.readRaw(name), elementCount(shape) ?? 0);
  }

  close(): void {
    this.#file.close();
  }

  #entry(name: string): PlacedTensor {
    const entry = this.entries.get(name);
    if (entry === undefined) {
      throw badFile(this.path, `tensor ${quoted(name)}`, "it in the file", `${this.entries.size} others`);
    }
    return entry;
  }
}

/** Runs `read`, and closes the file if it throws. */
export function closingOnError<T>(file: { close(): void }, read: () => T): T {
  try {
    return read();
  } catch (error) {
    file.close();
    throw error;
  }
}
