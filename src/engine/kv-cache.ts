// The key/value cache: one buffer for each layer's keys and values, [rows, keyValueHeads, capacity, headSize], updated
// in place by the step graph. It knows rows and tokens, not whose they are. It copies words of 32 bits, whatever is in
// them: a float32, or two float16s.

import { MagdiError } from "../errors.ts";
import { OrtTensor } from "../runtime/ort-tensor.ts";
import type { FloatType } from "../tensor/data-type.ts";

export interface KvCacheShape {
  readonly layers: number;
  readonly rows: number;
  readonly keyValueHeads: number;
  readonly capacityTokens: number;
  /** Even. */
  readonly headSize: number;
  readonly floats: FloatType;
}

export class KvCache {
  readonly shape: KvCacheShape;
  /** Pages are touched, and so resident, only where tokens were written. */
  readonly #buffers: readonly { readonly name: string; readonly data: Float32Array<ArrayBuffer> }[];
  readonly #tensors: OrtTensor[] = [];
  /** Words of one token's keys or values in one head. */
  readonly #headWords: number;

  /** @throws MAGDI_BAD_CONFIG when memory does not hold a cache of this shape. */
  constructor(shape: KvCacheShape) {
    this.shape = shape;
    const { layers, rows, keyValueHeads, capacityTokens, headSize, floats } = shape;
    this.#headWords = floats === "float32" ? headSize : headSize / 2;
    const bytes = rows * keyValueHeads * capacityTokens * this.#headWords * Float32Array.BYTES_PER_ELEMENT;
    try {
      this.#buffers = Array.from({ length: layers }, (_, layer) =>
        ["key", "value"].map((part) => ({
          name: `${layer}.${part}`,
          data: new Float32Array(new ArrayBuffer(bytes)),
        })),
      ).flat();
    } catch (cause) {
      throw new MagdiError(
        "MAGDI_BAD_CONFIG",
        `the cache of ${rows} rows of ${capacityTokens} tokens takes ${2 * layers} × ${bytes} bytes, more than can be had; ask for fewer rows or a shorter context`,
        { cause },
      );
    }
  }

  /** Rows first .. first + count − 1 as tensors by input or output name; released with the cache. */
  view(first: number, count: number, prefix: "past_key_values" | "present"): Record<string, OrtTensor> {
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

  /** Copies the first `length` tokens of row `from` to row `to`. */
  copyRow(from: number, to: number, length: number): void {
    const { keyValueHeads, capacityTokens } = this.shape;
    const headLength = capacityTokens * this.#headWords;
    for (const { data } of this.#buffers) {
      for (let head = 0; head < keyValueHeads; head++) {
        const source = (from * keyValueHeads + head) * headLength;
        data.copyWithin((to * keyValueHeads + head) * headLength, source, source + length * this.#headWords);
      }
    }
  }

  /** Words of one token's keys and values in all layers. */
  get tokenLength(): number {
    return this.#buffers.length * this.shape.keyValueHeads * this.#headWords;
  }

  /** Copies `count` tokens of row `row`, from position `from` on, to positions `at` .. of a block
   * [layers × 2, keyValueHeads, block tokens, words of a head]. */
  save(row: number, from: number, count: number, block: Float32Array, at: number): void {
    this.#eachHead(row, from, block, at, (data, start, target) => {
      block.set(data.subarray(start, start + count * this.#headWords), target);
    });
  }

  /** Copies the block's first `count` tokens to row `row`, from position `from` on. */
  load(row: number, from: number, count: number, block: Float32Array): void {
    this.#eachHead(row, from, block, 0, (data, start, source) => {
      data.set(block.subarray(source, source + count * this.#headWords), start);
    });
  }

  /** Calls with where position `from` of the row and position `at` of the block lie, for each layer's keys and values
   * and each head. */
  #eachHead(
    row: number,
    from: number,
    block: Float32Array,
    at: number,
    copy: (data: Float32Array, inRow: number, inBlock: number) => void,
  ): void {
    const { keyValueHeads, capacityTokens } = this.shape;
    const headSize = this.#headWords;
    const blockTokens = block.length / this.tokenLength;
    let blockHead = 0;
    for (const { data } of this.#buffers) {
      for (let head = 0; head < keyValueHeads; head++) {
        const rowHead = row * keyValueHeads + head;
        copy(data, (rowHead * capacityTokens + from) * headSize, (blockHead++ * blockTokens + at) * headSize);
      }
    }
  }

  close(): void {
    for (const tensor of this.#tensors.splice(0)) tensor.release();
  }
}
