// The key/value cache: one buffer for each layer's keys and values, [rows, keyValueHeads, capacity, headSize], updated
// in place by the step graph. It knows rows and tokens, not whose they are.

import { MagdiError } from "../errors.ts";
import { OrtTensor } from "../runtime/ort-tensor.ts";

export interface KvCacheShape {
  readonly layers: number;
  readonly rows: number;
  readonly keyValueHeads: number;
  readonly capacityTokens: number;
  readonly headSize: number;
}

export class KvCache {
  readonly shape: KvCacheShape;
  /** Pages are touched, and so resident, only where tokens were written. */
  readonly #buffers: readonly { readonly name: string; readonly data: Float32Array<ArrayBuffer> }[];
  readonly #tensors: OrtTensor[] = [];

  /** @throws MAGDI_BAD_CONFIG when memory does not hold a cache of this shape. */
  constructor(shape: KvCacheShape) {
    this.shape = shape;
    const { layers, rows, keyValueHeads, capacityTokens, headSize } = shape;
    const bytes = rows * keyValueHeads * capacityTokens * headSize * Float32Array.BYTES_PER_ELEMENT;
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
    const { keyValueHeads, capacityTokens, headSize } = this.shape;
    const rowLength = keyValueHeads * capacityTokens * headSize;
    return Object.fromEntries(
      this.#buffers.map(({ name, data }) => {
        const part = data.subarray(first * rowLength, (first + count) * rowLength);
        const tensor = new OrtTensor("float32", [count, keyValueHeads, capacityTokens, headSize], part);
        this.#tensors.push(tensor);
        return [`${prefix}.${name}`, tensor];
      }),
    );
  }

  /** Copies the first `length` tokens of row `from` to row `to`. */
  copyRow(from: number, to: number, length: number): void {
    const { keyValueHeads, capacityTokens, headSize } = this.shape;
    const headLength = capacityTokens * headSize;
    for (const { data } of this.#buffers) {
      for (let head = 0; head < keyValueHeads; head++) {
        const source = (from * keyValueHeads + head) * headLength;
        data.copyWithin((to * keyValueHeads + head) * headLength, source, source + length * headSize);
      }
    }
  }

  /** Floats of one token's keys and values in all layers. */
  get tokenLength(): number {
    return this.#buffers.length * this.shape.keyValueHeads * this.shape.headSize;
  }

  /** Copies `count` tokens of row `row`, from position `from` on, to positions `at` .. of a block
   * [layers × 2, keyValueHeads, block tokens, headSize]. */
  save(row: number, from: number, count: number, block: Float32Array, at: number): void {
    this.#eachHead(row, from, block, at, (data, start, target) => {
      block.set(data.subarray(start, start + count * this.shape.headSize), target);
    });
  }

  /** Copies the block's first `count` tokens to row `row`, from position `from` on. */
  load(row: number, from: number, count: number, block: Float32Array): void {
    this.#eachHead(row, from, block, 0, (data, start, source) => {
      data.set(block.subarray(source, source + count * this.shape.headSize), start);
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
    const { keyValueHeads, capacityTokens, headSize } = this.shape;
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
