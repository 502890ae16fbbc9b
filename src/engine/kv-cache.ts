// The KV cache: one buffer for each layer's keys and values, [rows, keyValueHeads, capacity, headSize], updated in
// place by the step graph. Here its interface, and the cache in host memory, which copies words of 32 bits (a float32 or two
// float16s) and whole tiles of keys.

import { MagdiError } from "../base/errors.ts";
import { OrtTensor, type Tensor } from "../runtime/ort-tensor.ts";
import { ReturnedPages } from "../runtime/returned-pages.ts";
import type { FloatType } from "../tensor/onnx-type.ts";
import type { KvBlock } from "./model-runner.ts";

export interface KvCacheShape {
  readonly layers: number;
  readonly rows: number;
  readonly keyValueHeads: number;
  /** A multiple of keyTileTokens. */
  readonly capacityTokens: number;
  /** Our own attention keeps keys in tiles of 16 positions, of which a part cannot be copied; stock attention one by one. */
  readonly keyTileTokens: number;
  /** Even. */
  readonly headSize: number;
  readonly floats: FloatType;
}

/** Rows as a step's inputs and outputs: past_key_values.* and present.* over the same memory. */
export interface CachedRows {
  readonly past: Readonly<Record<string, Tensor>>;
  readonly present: Readonly<Record<string, Tensor>>;
}

/** The last row is the prompt row, those before it are decode rows. */
export interface KvCache {
  readonly shape: KvCacheShape;
  /** The first `count` rows; released with the cache. */
  decodeRows(count: number): CachedRows;
  promptRow(): CachedRows;
  /** Copies the first `length` tokens of row `from` to row `to`. */
  copyRow(from: number, to: number, length: number): void;
  /** The same, after which row `from` is free; where memory is bounded, it takes none any more. */
  moveRow(from: number, to: number, length: number): void;
  /** Gives the memory of a row's tokens from position `from` on back to the system, where memory is bounded. */
  releaseRow(row: number, from: number): void;
  /** A prefix cache block of `tokens` tokens. */
  newBlock(tokens: number): KvBlock;
  /** Copies `count` tokens of the prompt row, from position `from` on, into a block from position `at` on. */
  save(from: number, count: number, block: KvBlock, at: number): void;
  /** Copies the block's first `count` tokens to the prompt row, from position `from` on. */
  load(from: number, count: number, block: KvBlock): void;
  /** Whether flushCopies() must be called before the next step. */
  readonly hasPendingCopies: boolean;
  flushCopies(): Promise<void>;
  /** The raw words of the prompt row's first `count` tokens, in the cache's own layout. */
  readPromptRow(count: number): Promise<Float32Array>;
  close(): void;
}

/** Names of the buffers in the step graph. */
export const bufferNames = ({ layers }: KvCacheShape): string[] =>
  Array.from({ length: layers }, (_, layer) => [`${layer}.key`, `${layer}.value`]).flat();

/** @throws MAGDI_BAD_CONFIG always. */
export function throwOutOfMemory(shape: KvCacheShape, bufferBytes: number, cause: unknown): never {
  throw new MagdiError(
    "MAGDI_BAD_CONFIG",
    `the KV cache of ${shape.rows} rows of ${shape.capacityTokens} tokens takes ${2 * shape.layers} × ${bufferBytes} bytes, more than is free; choose fewer rows or a shorter context`,
    { cause },
  );
}

/** The keys or values of a layer. */
interface Buffer {
  readonly name: string;
  readonly data: Float32Array<ArrayBuffer>;
  /** Tokens that are copied together, from a multiple of this on. */
  readonly tileTokens: number;
}

export class HostKvCache implements KvCache {
  readonly hasPendingCopies = false;
  readonly shape: KvCacheShape;
  /** The system maps a page when a token is first written to it. */
  readonly #buffers: readonly Buffer[];
  readonly #tensors: OrtTensor[] = [];
  /** Words of one token's keys or values in one head. */
  readonly #headWords: number;
  /** By buffer; null where there is memory for all rows. */
  readonly #pages: readonly ReturnedPages[] | null;

  /** `bounded`: rows give their memory back when they are told to. @throws MAGDI_BAD_CONFIG when there is too little
   * memory. */
  constructor(shape: KvCacheShape, bounded = false) {
    this.shape = shape;
    const { rows, keyValueHeads, capacityTokens, headSize, floats } = shape;
    this.#headWords = floats === "float32" ? headSize : headSize / 2;
    const bytes = rows * keyValueHeads * capacityTokens * this.#headWords * Float32Array.BYTES_PER_ELEMENT;
    try {
      this.#buffers = bufferNames(shape).map((name) => ({
        name,
        data: new Float32Array(new ArrayBuffer(bytes)),
        tileTokens: name.endsWith(".key") ? shape.keyTileTokens : 1,
      }));
    } catch (cause) {
      throwOutOfMemory(shape, bytes, cause);
    }
    this.#pages = bounded ? this.#buffers.map(({ data }) => new ReturnedPages(data)) : null;
    // An allocator that reused memory has written its zeros.
    for (const pages of this.#pages ?? []) pages.return(0, bytes);
  }

  decodeRows(count: number): CachedRows {
    return { past: this.#view(0, count, "past_key_values"), present: this.#view(0, count, "present") };
  }

  promptRow(): CachedRows {
    const row = this.shape.rows - 1;
    return { past: this.#view(row, 1, "past_key_values"), present: this.#view(row, 1, "present") };
  }

  /** Rows first .. first + count − 1 as tensors by input or output name. */
  #view(first: number, count: number, prefix: "past_key_values" | "present"): Record<string, OrtTensor> {
    const { keyValueHeads, capacityTokens, headSize, floats } = this.shape;
    const rowLength = keyValueHeads * capacityTokens * this.#headWords;
    const shape = [count, keyValueHeads, capacityTokens, headSize];
    return Object.fromEntries(
      this.#buffers.map(({ name, data }) => {
        const part = data.subarray(first * rowLength, (first + count) * rowLength);
        const tensor =
          floats === "float32"
            ? new OrtTensor(floats, shape, part)
            : new OrtTensor(floats, shape, new Uint16Array(part.buffer, part.byteOffset, 2 * part.length));
        this.#tensors.push(tensor);
        return [`${prefix}.${name}`, tensor];
      }),
    );
  }

  copyRow(from: number, to: number, length: number): void {
    const { keyValueHeads, capacityTokens } = this.shape;
    const headLength = capacityTokens * this.#headWords;
    for (const { data, tileTokens } of this.#buffers) {
      const words = roundUp(length, tileTokens) * this.#headWords;
      for (let head = 0; head < keyValueHeads; head++) {
        const source = (from * keyValueHeads + head) * headLength;
        data.copyWithin((to * keyValueHeads + head) * headLength, source, source + words);
      }
    }
  }

  moveRow(from: number, to: number, length: number): void {
    this.copyRow(from, to, length);
    this.releaseRow(from, 0);
  }

  releaseRow(row: number, from: number): void {
    const { keyValueHeads, capacityTokens } = this.shape;
    const tokenBytes = this.#headWords * Float32Array.BYTES_PER_ELEMENT;
    for (const pages of this.#pages ?? []) {
      for (let head = 0; head < keyValueHeads; head++) {
        const first = (row * keyValueHeads + head) * capacityTokens;
        pages.return((first + from) * tokenBytes, (first + capacityTokens) * tokenBytes);
      }
    }
  }

  /** Words of one token's keys and values in all layers. */
  get #tokenLength(): number {
    return this.#buffers.length * this.shape.keyValueHeads * this.#headWords;
  }

  /** Blocks are [layers × 2, keyValueHeads, block tokens in whole tiles, words of a head]. */
  newBlock(tokens: number): Float32Array {
    return new Float32Array(this.#tokenLength * roundUp(tokens, this.shape.keyTileTokens));
  }

  save(from: number, count: number, block: KvBlock, at: number): void {
    const words = hostBlock(block);
    this.#eachHead(from, count, words, at, (data, inRow, inBlock, length) => {
      words.set(data.subarray(inRow, inRow + length), inBlock);
    });
  }

  load(from: number, count: number, block: KvBlock): void {
    const words = hostBlock(block);
    this.#eachHead(from, count, words, 0, (data, inRow, inBlock, length) => {
      data.set(words.subarray(inBlock, inBlock + length), inRow);
    });
  }

  async flushCopies(): Promise<void> {}

  async readPromptRow(count: number): Promise<Float32Array> {
    const numbers = this.newBlock(count);
    this.save(0, count, numbers, 0);
    return numbers;
  }

  /** Calls `copy` for each layer's keys and values and each head, with the places in words of `count` tokens from position
   * `from` of the prompt row and from position `at` of the block on, in whole tiles. `from` and `at` lie at the same place in
   * their tiles. */
  #eachHead(
    from: number,
    count: number,
    block: Float32Array,
    at: number,
    copy: (data: Float32Array, inRow: number, inBlock: number, length: number) => void,
  ): void {
    const { rows, keyValueHeads, capacityTokens } = this.shape;
    const headSize = this.#headWords;
    const blockTokens = block.length / this.#tokenLength;
    let blockHead = 0;
    for (const { data, tileTokens } of this.#buffers) {
      const before = from % tileTokens;
      const length = roundUp(before + count, tileTokens) * headSize;
      for (let head = 0; head < keyValueHeads; head++) {
        const rowHead = (rows - 1) * keyValueHeads + head;
        const inRow = (rowHead * capacityTokens + from - before) * headSize;
        copy(data, inRow, (blockHead++ * blockTokens + at - before) * headSize, length);
      }
    }
  }

  close(): void {
    for (const tensor of this.#tensors.splice(0)) tensor.release();
  }
}

const roundUp = (count: number, step: number): number => Math.ceil(count / step) * step;

function hostBlock(block: KvBlock): Float32Array {
  if (block instanceof Float32Array) return block;
  throw new MagdiError("MAGDI_RUNTIME", "the block belongs to another model runner");
}
