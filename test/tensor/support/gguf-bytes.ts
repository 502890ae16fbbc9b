// Builds the bytes of GGUF files, honest or lying. It checks nothing.

export interface GgufTensor {
  readonly name: string;
  /** Innermost first, as files have them. */
  readonly dimensions: readonly (number | bigint)[];
  readonly type: number;
  readonly offset: number | bigint;
  readonly count?: number;
}

export interface GgufParts {
  readonly version?: number;
  readonly tensorCount?: bigint;
  readonly pairCount?: bigint;
  readonly pairs?: readonly (readonly [key: string, type: number, value: Uint8Array])[];
  readonly tensors?: readonly GgufTensor[];
  readonly alignment?: number;
  readonly data?: Uint8Array;
}

export function u32(value: number): Uint8Array {
  return new Uint8Array(new Uint32Array([value]).buffer);
}

export function u64(value: number | bigint): Uint8Array {
  return new Uint8Array(new BigUint64Array([BigInt(value)]).buffer);
}

export function f32(value: number): Uint8Array {
  return new Uint8Array(new Float32Array([value]).buffer);
}

export function text(value: string): Uint8Array {
  const bytes = Buffer.from(value);
  return Buffer.concat([u64(bytes.length), bytes]);
}

export function array(type: number, elements: readonly Uint8Array[], length = elements.length): Uint8Array {
  return Buffer.concat([u32(type), u64(length), ...elements]);
}

export function ggufBytes(parts: GgufParts): Uint8Array {
  const { pairs = [], tensors = [], alignment = 32, data = new Uint8Array(0) } = parts;
  const head = Buffer.concat([
    Buffer.from("GGUF"),
    u32(parts.version ?? 3),
    u64(parts.tensorCount ?? tensors.length),
    u64(parts.pairCount ?? pairs.length),
    ...pairs.flatMap(([key, type, value]) => [text(key), u32(type), value]),
    ...tensors.flatMap(({ name, dimensions, type, offset, count }) => [
      text(name),
      u32(count ?? dimensions.length),
      ...dimensions.map(u64),
      u32(type),
      u64(offset),
    ]),
  ]);
  const padding = Buffer.alloc(Math.ceil(head.length / alignment) * alignment - head.length);
  return Buffer.concat([head, padding, data]);
}
