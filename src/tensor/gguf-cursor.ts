// Reads the numbers and strings at the front of a GGUF file, loading no more of it than they need.

import { badFile, unsupported } from "./bad-file.ts";
import type { FileBytes } from "./file-bytes.ts";

const FIRST_LOAD_BYTES = 64 * 1024;
/** Far above any real metadata; it bounds what a false length in a huge file makes us load. */
const MAX_HEADER_BYTES = 100_000_000;

export class GgufCursor {
  readonly path: string;
  readonly #file: FileBytes;
  #buffer: Buffer<ArrayBuffer> = Buffer.alloc(0);
  #at = 0;

  constructor(file: FileBytes) {
    this.path = file.path;
    this.#file = file;
  }

  /** How many bytes have been read. */
  get position(): number {
    return this.#at;
  }

  get remainingBytes(): number {
    return this.#file.sizeBytes - this.#at;
  }

  u8(what: string): number {
    const from = this.#advance(1, what);
    return this.#buffer.readUInt8(from);
  }

  u32(what: string): number {
    const from = this.#advance(4, what);
    return this.#buffer.readUInt32LE(from);
  }

  u64(what: string): bigint {
    const from = this.#advance(8, what);
    return this.#buffer.readBigUInt64LE(from);
  }

  /**
   * A count of things that take at least `bytesEach` in the rest of the file.
   *
   * @throws MagdiError MAGDI_BAD_FILE when the rest of the file cannot hold so many.
   */
  count(what: string, bytesEach: number): number {
    const value = this.u64(what);
    const most = Math.floor(this.remainingBytes / bytesEach);
    if (value <= most) return Number(value);
    throw badFile(this.path, what, `at most ${most}, as the rest of the file can hold`, value);
  }

  /** A u64 length and so many bytes of UTF-8; invalid bytes become U+FFFD. */
  string(what: string): string {
    const length = this.count(what, 1);
    const from = this.#advance(length, what);
    return this.#buffer.toString("utf8", from, from + length);
  }

  /** `count` numbers of a type; 64-bit integers beyond 2^53 as bigint. */
  numbers(type: NumberType, count: number, what: string): (number | bigint)[] {
    const { bytes, read } = NUMBER_TYPES[type];
    let at = this.#advance(bytes * count, what);
    const values: (number | bigint)[] = [];
    for (let i = 0; i < count; i++, at += bytes) values.push(read(this.#buffer, at));
    return values;
  }

  /** Loads the next `length` bytes, moves past them, and returns where they begin. */
  #advance(length: number, what: string): number {
    const from = this.#at;
    const end = from + length;
    if (end > this.#buffer.length) this.#load(end, what);
    this.#at = end;
    return from;
  }

  #load(end: number, what: string): void {
    const { sizeBytes } = this.#file;
    if (end > sizeBytes) {
      throw badFile(this.path, what, `bytes up to ${end}`, `a file of ${sizeBytes} bytes; is it truncated?`);
    }
    if (end > MAX_HEADER_BYTES) {
      throw unsupported(this.path, what, `metadata and tensor list are over ${MAX_HEADER_BYTES} bytes`);
    }
    const wanted = Math.max(end, FIRST_LOAD_BYTES, 2 * this.#buffer.length);
    const loaded = this.#file.read(0, Math.min(wanted, sizeBytes), what);
    this.#buffer = Buffer.from(loaded.buffer);
  }
}

/** GGUF's number types: their width, and how one is read. */
const NUMBER_TYPES = {
  u8: { bytes: 1, read: (from: Buffer, at: number) => from.readUInt8(at) },
  i8: { bytes: 1, read: (from: Buffer, at: number) => from.readInt8(at) },
  u16: { bytes: 2, read: (from: Buffer, at: number) => from.readUInt16LE(at) },
  i16: { bytes: 2, read: (from: Buffer, at: number) => from.readInt16LE(at) },
  u32: { bytes: 4, read: (from: Buffer, at: number) => from.readUInt32LE(at) },
  i32: { bytes: 4, read: (from: Buffer, at: number) => from.readInt32LE(at) },
  f32: { bytes: 4, read: (from: Buffer, at: number) => from.readFloatLE(at) },
  u64: { bytes: 8, read: (from: Buffer, at: number) => narrowed(from.readBigUInt64LE(at)) },
  i64: { bytes: 8, read: (from: Buffer, at: number) => narrowed(from.readBigInt64LE(at)) },
  f64: { bytes: 8, read: (from: Buffer, at: number) => from.readDoubleLE(at) },
} as const;

export type NumberType = keyof typeof NUMBER_TYPES;

export function numberBytes(type: NumberType): number {
  return NUMBER_TYPES[type].bytes;
}

function narrowed(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}
