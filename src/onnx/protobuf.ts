// The protobuf wire format: varints, fixed 32-bit values and length-delimited fields. It knows no message types.

import { MagdiError } from "../base/errors.ts";

/** Appends fields to a growing buffer. */
export class ProtobufWriter {
  #bytes = new Uint8Array(1024);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;

  #reserve(count: number): void {
    if (this.#length + count <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(this.#bytes.length * 2, this.#length + count));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
    this.#view = new DataView(grown.buffer);
  }

  #varint(value: bigint): void {
    this.#reserve(10);
    let rest = BigInt.asUintN(64, value);
    while (rest > 0x7fn) {
      this.#bytes[this.#length++] = Number(rest & 0x7fn) | 0x80;
      rest >>= 7n;
    }
    this.#bytes[this.#length++] = Number(rest);
  }

  #key(field: number, wireType: number): void {
    this.#varint(BigInt(field * 8 + wireType));
  }

  /** A negative number takes ten bytes, as int64 does. @throws RangeError for a fraction. */
  int(field: number, value: number | bigint): void {
    this.#key(field, 0);
    this.#varint(BigInt(value));
  }

  float(field: number, value: number): void {
    this.#key(field, 5);
    this.#reserve(4);
    this.#view.setFloat32(this.#length, value, true);
    this.#length += 4;
  }

  bytes(field: number, value: Uint8Array): void {
    this.#key(field, 2);
    this.#varint(BigInt(value.length));
    this.#reserve(value.length);
    this.#bytes.set(value, this.#length);
    this.#length += value.length;
  }

  string(field: number, value: string): void {
    this.bytes(field, new TextEncoder().encode(value));
  }

  message(field: number, write: (inner: ProtobufWriter) => void): void {
    const inner = new ProtobufWriter();
    write(inner);
    this.bytes(field, inner.finish());
  }

  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }
}

/** One field of a message: a varint as bigint, a fixed value or a length-delimited one as bytes. */
export type ProtobufField =
  | { readonly field: number; readonly kind: "varint"; readonly value: bigint }
  | { readonly field: number; readonly kind: "bytes" | "fixed32" | "fixed64"; readonly value: Uint8Array };

/** Takes numbers and runs of bytes off the front. */
class Cursor {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get done(): boolean {
    return this.#at === this.#bytes.length;
  }

  varint(): bigint {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.#bytes[this.#at++];
      if (byte === undefined) throw broken("a number runs past the end");
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asUintN(64, value);
    }
    throw broken("a number has more than ten bytes");
  }

  take(count: number): Uint8Array {
    const left = this.#bytes.length - this.#at;
    if (count > left) throw broken(`a field claims ${count} bytes, ${left} are left`);
    this.#at += count;
    return this.#bytes.subarray(this.#at - count, this.#at);
  }
}

/** The fields of a message, in file order; values are views of `bytes`.
 * @throws MAGDI_BAD_GRAPH when a length reaches past the end or a wire type is unknown. */
export function* readFields(bytes: Uint8Array): Generator<ProtobufField> {
  const cursor = new Cursor(bytes);
  while (!cursor.done) {
    const key = cursor.varint();
    const field = Number(key >> 3n);
    const wireType = Number(key & 7n);
    if (field < 1) throw broken("a field has the number 0");
    if (wireType === 0) yield { field, kind: "varint", value: cursor.varint() };
    else if (wireType === 1) yield { field, kind: "fixed64", value: cursor.take(8) };
    else if (wireType === 2) yield { field, kind: "bytes", value: cursor.take(Number(cursor.varint())) };
    else if (wireType === 5) yield { field, kind: "fixed32", value: cursor.take(4) };
    else throw broken(`wire type ${wireType} of field ${field} is not one of 0, 1, 2, 5`);
  }
}

/** The varints of a packed repeated field. */
export function readPackedVarints(bytes: Uint8Array): bigint[] {
  const values: bigint[] = [];
  for (const cursor = new Cursor(bytes); !cursor.done; ) values.push(cursor.varint());
  return values;
}

function broken(found: string): MagdiError {
  return new MagdiError("MAGDI_BAD_GRAPH", `expected a protobuf message, but ${found}`);
}
