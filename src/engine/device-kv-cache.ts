// The KV cache in device memory. Copies between rows, and between the prompt row and prefix cache blocks, are queued
// and run on the device, many at once, before the next step.

import { tokenCopyGraph } from "../nn/kv-copy-graph.ts";
import type { DeviceMemory, DeviceTensor } from "../runtime/device-memory.ts";
import { OrtTensor, type Tensor } from "../runtime/ort-tensor.ts";
import { Binding, Session } from "../runtime/session.ts";
import { FLOAT_BYTES } from "../tensor/onnx-type.ts";
import {
  bufferNames,
  type CachedRows,
  type KvCache,
  type KvCacheShape,
  throwOutOfMemory,
} from "./kv-cache.ts";
import { copyBatches, type TokenCopy } from "./kv-copies.ts";
import type { KvBlock } from "./model-runner.ts";
import { BLOCK_TOKENS } from "./prefix-cache.ts";

/** Most vectors of one run of the copy graph, whose memory holds them twice. */
const MAX_VECTORS = 65_536;
const MIN_VECTORS = 64;

/** A buffer for each layer's keys and values: [rows, keyValueHeads, tokens, headSize], and the same memory as vectors
 * [rows · keyValueHeads · tokens, headSize]. */
interface Area {
  readonly tokens: number;
  readonly buffers: readonly DeviceTensor[];
  readonly vectors: readonly DeviceTensor[];
}

type AreaName = "decode" | "prompt" | "blocks";

export class DeviceKvCache implements KvCache {
  readonly shape: KvCacheShape;
  readonly #memory: DeviceMemory;
  readonly #copier: Session;
  readonly #areas: Readonly<Record<AreaName, Area>>;
  readonly #from = new BigInt64Array(new ArrayBuffer(8 * MAX_VECTORS));
  readonly #to = new BigInt64Array(new ArrayBuffer(8 * MAX_VECTORS));
  readonly #bindings = new Map<string, Binding>();
  /** In order of release: views and index arrays before the buffers that they are over. */
  readonly #tensors: Tensor[];
  #copies: TokenCopy<AreaName>[] = [];
  #blocks = 0;

  /** Allocates all rows and `blocks` prefix cache blocks on the session's device, filled with zeros.
   * @throws MAGDI_BAD_CONFIG when the device has too little memory. */
  static async open(session: Session, shape: KvCacheShape, blocks: number): Promise<DeviceKvCache> {
    const { keyValueHeads, headSize, layers, floats } = shape;
    const graph = tokenCopyGraph(2 * layers, headSize, floats);
    const copier = await Session.open(graph, { label: "token copies", device: session.device, threads: 1 });
    const memory = session.deviceMemory();
    const tensors: Tensor[] = [];
    const area = (rows: number, tokens: number): Area => {
      const sizes = [rows, keyValueHeads, tokens, headSize];
      const buffers = Array.from({ length: 2 * layers }, () => memory.allocate(floats, sizes));
      const vectors = buffers.map((buffer) => buffer.view([rows * keyValueHeads * tokens, headSize]));
      tensors.push(...vectors, ...buffers);
      return { tokens, buffers, vectors };
    };
    const release = (): void => {
      for (const tensor of tensors) tensor.release();
      memory.release();
      copier.close();
    };
    try {
      const areas = {
        decode: area(shape.rows - 1, shape.capacityTokens),
        prompt: area(1, shape.capacityTokens),
        blocks: area(Math.max(blocks, 1), BLOCK_TOKENS),
      };
      const cache = new DeviceKvCache(shape, memory, copier, areas, tensors);
      await cache.#clear();
      return cache;
    } catch (cause) {
      release();
      const bytes = shape.rows * keyValueHeads * shape.capacityTokens * headSize * FLOAT_BYTES[floats];
      return throwOutOfMemory(shape, bytes, cause);
    }
  }

  private constructor(
    shape: KvCacheShape,
    memory: DeviceMemory,
    copier: Session,
    areas: Readonly<Record<AreaName, Area>>,
    tensors: Tensor[],
  ) {
    this.shape = shape;
    this.#memory = memory;
    this.#copier = copier;
    this.#areas = areas;
    this.#tensors = tensors;
  }

  decodeRows(count: number): CachedRows {
    return this.#rows(this.#areas.decode, count);
  }

  promptRow(): CachedRows {
    return this.#rows(this.#areas.prompt, 1);
  }

  #rows({ buffers, tokens }: Area, count: number): CachedRows {
    const { keyValueHeads, headSize } = this.shape;
    const views = buffers.map((buffer) => this.#track(buffer.view([count, keyValueHeads, tokens, headSize])));
    const named = (prefix: string): Record<string, Tensor> =>
      Object.fromEntries(bufferNames(this.shape).map((name, at) => [`${prefix}.${name}`, views[at]!]));
    return { past: named("past_key_values"), present: named("present") };
  }

  moveRow(from: number, to: number, length: number): void {
    this.copyRow(from, to, length);
  }

  /** A device's memory is allocated at once and stays. */
  releaseRow(): void {}

  copyRow(from: number, to: number, length: number): void {
    const ofPrompt = from === this.shape.rows - 1;
    this.#copy({
      source: ofPrompt ? "prompt" : "decode",
      sourceRow: ofPrompt ? 0 : from,
      from: 0,
      target: "decode",
      targetRow: to,
      to: 0,
      count: length,
    });
  }

  newBlock(): KvBlock {
    return { slot: this.#blocks++ };
  }

  save(from: number, count: number, block: KvBlock, at: number): void {
    const place = { target: "blocks", targetRow: slotOf(block), to: at } as const;
    this.#copy({ source: "prompt", sourceRow: 0, from, ...place, count });
  }

  load(from: number, count: number, block: KvBlock): void {
    const place = { source: "blocks", sourceRow: slotOf(block), from: 0 } as const;
    this.#copy({ ...place, target: "prompt", targetRow: 0, to: from, count });
  }

  #copy(copy: TokenCopy<AreaName>): void {
    if (copy.count > 0) this.#copies.push(copy);
  }

  get hasPendingCopies(): boolean {
    return this.#copies.length > 0;
  }

  async flushCopies(): Promise<void> {
    const { keyValueHeads } = this.shape;
    const copies = this.#copies;
    this.#copies = [];
    for (const batch of copyBatches(copies, Math.floor(MAX_VECTORS / keyValueHeads))) {
      const [{ source, target }] = batch;
      const [sourceTokens, targetTokens] = [this.#areas[source].tokens, this.#areas[target].tokens];
      let count = 0;
      for (const { sourceRow, from, targetRow, to, count: tokens } of batch) {
        for (let head = 0; head < keyValueHeads; head++) {
          const sourceStart = (sourceRow * keyValueHeads + head) * sourceTokens + from;
          const targetStart = (targetRow * keyValueHeads + head) * targetTokens + to;
          for (let token = 0; token < tokens; token++) {
            this.#from[count] = BigInt(sourceStart + token);
            this.#to[count++] = BigInt(targetStart + token);
          }
        }
      }
      await this.#copier.run(this.#binding(source, target, this.#padded(count)));
    }
  }

  /** Repeats the last copy up to a power of two, so that few bindings are made; it writes the same values again. */
  #padded(count: number): number {
    const length = Math.max(MIN_VECTORS, 2 ** Math.ceil(Math.log2(count)));
    this.#from.fill(this.#from[count - 1]!, count, length);
    this.#to.fill(this.#to[count - 1]!, count, length);
    return length;
  }

  #binding(source: AreaName, target: AreaName, count: number): Binding {
    const key = `${source} ${target} ${count}`;
    const known = this.#bindings.get(key);
    if (known !== undefined) return known;
    const binding = this.#bind(this.#areas[source].vectors, this.#areas[target].vectors, count);
    this.#bindings.set(key, binding);
    return binding;
  }

  #bind(sources: readonly Tensor[], targets: readonly Tensor[], count: number): Binding {
    const inputs: Record<string, Tensor> = {
      from: this.#track(new OrtTensor("int64", [count], this.#from.subarray(0, count))),
      to: this.#track(new OrtTensor("int64", [count, 1], this.#to.subarray(0, count))),
    };
    const outputs: Record<string, Tensor> = {};
    for (const [at, target] of targets.entries()) {
      inputs[`source.${at}`] = sources[at]!;
      inputs[`target.${at}`] = target;
      outputs[`result.${at}`] = target;
    }
    return new Binding(inputs, outputs);
  }

  async readPromptRow(count: number): Promise<Float32Array> {
    await this.flushCopies();
    const { keyValueHeads, headSize, capacityTokens, floats } = this.shape;
    const vectors = keyValueHeads * count;
    for (let vector = 0; vector < vectors; vector++) {
      this.#from[vector] = BigInt(Math.floor(vector / count) * capacityTokens + (vector % count));
      this.#to[vector] = BigInt(vector);
    }
    const sources = this.#areas.prompt.vectors;
    const length = vectors * headSize;
    const buffer = new ArrayBuffer(FLOAT_BYTES[floats] * sources.length * length);
    const targets = sources.map((_, at) => {
      const start = FLOAT_BYTES[floats] * at * length;
      const shape = [vectors, headSize];
      return this.#track(
        floats === "float32"
          ? new OrtTensor(floats, shape, new Float32Array(buffer, start, length))
          : new OrtTensor(floats, shape, new Uint16Array(buffer, start, length)),
      );
    });
    await this.#copier.run(this.#bind(sources, targets, vectors));
    return new Float32Array(buffer);
  }

  /** Fresh device memory can hold NaN, which attention would spread from positions not written yet. */
  async #clear(): Promise<void> {
    const zero = this.#track(OrtTensor.zeros(this.shape.floats, [1, this.shape.headSize]));
    this.#from.fill(0n);
    for (const { vectors } of Object.values(this.#areas)) {
      const total = vectors[0]?.shape[0] ?? 0;
      for (let start = 0; start < total; start += MAX_VECTORS) {
        const count = Math.min(MAX_VECTORS, total - start);
        for (let at = 0; at < count; at++) this.#to[at] = BigInt(start + at);
        const sources = vectors.map(() => zero);
        await this.#copier.run(this.#bind(sources, vectors, count));
      }
    }
  }

  #track<T extends Tensor>(tensor: T): T {
    this.#tensors.unshift(tensor);
    return tensor;
  }

  close(): void {
    this.#copier.assertIdle();
    for (const tensor of this.#tensors.splice(0)) tensor.release();
    this.#memory.release();
    this.#copier.close();
  }
}

function slotOf(block: KvBlock): number {
  if ("slot" in block) return block.slot;
  throw new Error("the block belongs to another model runner");
}
