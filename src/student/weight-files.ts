// The external data files of an ONNX model: appends tensors, and starts a new file when one is full. Names follow
// transformers.js (model.onnx_data, model.onnx_data_1, ...).

import { closeSync, openSync, writeSync } from "node:fs";
import path from "node:path";
import type { DataType, TensorData } from "../onnx/graph.ts";

/** GitHub warns above 50 MB a file. */
const FILE_BYTES = 48_000_000;
/** transformers.js reads at most 100 files. Two neighbouring files together exceed the size of one, so there are at
 * most twice this many. */
const FULL_FILES = 45;
const ALIGNMENT = 64;

export class WeightFiles {
  readonly folder: string;
  readonly #baseName: string;
  readonly #fileBytes: number;
  #descriptor: number | null = null;
  #files = 0;
  #offset = 0;
  #bytes = 0;

  /** `baseName` is the model's file name; `totalBytes` an estimate, by which large students get files above
   * `fileBytes`. */
  constructor(folder: string, baseName: string, totalBytes: number, fileBytes = FILE_BYTES) {
    this.folder = folder;
    this.#baseName = baseName;
    this.#fileBytes = Math.max(fileBytes, Math.ceil(totalBytes / FULL_FILES));
  }

  get count(): number {
    return this.#files;
  }

  /** Bytes written so far. */
  get bytes(): number {
    return this.#bytes;
  }

  get names(): string[] {
    return Array.from({ length: this.#files }, (_, index) => this.#location(index));
  }

  /** Appends the values; a tensor larger than a file gets a file of its own. */
  add(type: DataType, shape: readonly number[], values: ArrayBufferView): TensorData {
    const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    if (this.#descriptor === null || (this.#offset > 0 && this.#offset + bytes.length > this.#fileBytes))
      this.#next();
    const offset = this.#offset;
    const location = this.#location(this.#files - 1);
    const padding = (ALIGNMENT - (bytes.length % ALIGNMENT)) % ALIGNMENT;
    this.#write(bytes);
    if (padding > 0) this.#write(new Uint8Array(padding));
    return { type, shape, data: { kind: "external", location, offset, length: bytes.length } };
  }

  close(): void {
    if (this.#descriptor !== null) closeSync(this.#descriptor);
    this.#descriptor = null;
  }

  #location(index: number): string {
    return `${this.#baseName}_data${index === 0 ? "" : `_${index}`}`;
  }

  #next(): void {
    this.close();
    this.#descriptor = openSync(path.join(this.folder, this.#location(this.#files)), "wx");
    this.#files += 1;
    this.#offset = 0;
  }

  #write(bytes: Uint8Array): void {
    for (let written = 0; written < bytes.length; ) {
      written += writeSync(this.#descriptor!, bytes, written, Math.min(bytes.length - written, 1 << 26));
    }
    this.#offset += bytes.length;
    this.#bytes += bytes.length;
  }
}
