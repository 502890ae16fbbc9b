// The model runner over ONNX Runtime: one session of a student's step graph, its cache, and buffers that are bound
// once and used by every step. It knows no requests.

import { MagdiError } from "../base/errors.ts";
import type { DecoderConfig } from "../nn/decoder-config.ts";
import { CANDIDATES } from "../nn/serving-graph.ts";
import type { Device } from "../runtime/device-name.ts";
import { OrtTensor, type Tensor } from "../runtime/ort-tensor.ts";
import { Binding, type Session } from "../runtime/session.ts";
import { DeviceKvCache } from "./device-kv-cache.ts";
import { aloneIsAsBeside, type ProbedRunner, piecesAreAsWhole } from "./kernel-probe.ts";
import { type CachedRows, HostKvCache, type KvCache } from "./kv-cache.ts";
import type { StepOutput, TokenBlock } from "./model-runner.ts";
import { openStepSession } from "./step-session.ts";

export interface OnnxModelRunnerOptions {
  /** The step graph of a student folder (engine_<dtype>.onnx). */
  readonly graphPath: string;
  readonly config: DecoderConfig;
  /** Decode rows, each of contextLength tokens. */
  readonly maxRows: number;
  readonly contextLength: number;
  readonly prefillChunkTokens: number;
  readonly threads: number;
  /** Where steps run and the cache lies. Default cpu. */
  readonly device?: Device;
  /** See SessionOptions. */
  readonly memoryLimitBytes?: number;
  /** Blocks of BLOCK_TOKENS tokens that newBlock may be asked for; on a device their memory is taken at once. Default 0. */
  readonly prefixBlocks?: number;
  /** Find out whether prompts may be cut anywhere, which costs the prefill of two short prompts; else they are only
   * at whole chunks. Default false. */
  readonly probeCuts?: boolean;
}

/** A fresh array that native code may read and write. */
const int64s = (length: number): BigInt64Array => new BigInt64Array(new ArrayBuffer(length * 8));
const int32s = (length: number): Int32Array => new Int32Array(new ArrayBuffer(length * 4));
const floats = (length: number): Float32Array => new Float32Array(new ArrayBuffer(length * 4));

/** Bindings of one number of rows, with and without all logits fetched. */
interface RowBindings {
  readonly cached: CachedRows;
  readonly candidates: Binding;
  logits: Binding | null;
}

export class OnnxModelRunner implements ProbedRunner {
  readonly maxRows: number;
  readonly promptRow: number;
  readonly contextLength: number;
  readonly vocabSize: number;
  readonly candidateCount: number;
  readonly prefillChunkTokens: number;
  #cutTokens: number;
  readonly #session: Session;
  readonly #cache: KvCache;
  readonly #ids: BigInt64Array;
  readonly #lengths: Int32Array;
  readonly #totalLength = new OrtTensor("int32", [], int32s(1));
  readonly #candidateLogits: Float32Array;
  readonly #candidateIds: BigInt64Array;
  readonly #topProbability: Float32Array;
  readonly #logSumExp: Float32Array;
  #logits: Float32Array | null = null;
  readonly #decodeBindings = new Map<number, RowBindings>();
  readonly #prefillBindings = new Map<number, RowBindings>();
  readonly #promptCache: CachedRows;
  readonly #tensors: Tensor[] = [this.#totalLength];
  /** Fewest rows a decode step runs with: 2 where this processor's kernels give a lone row other last bits than a
   * row among others, so that an answer never depends on strangers. */
  #minRows = 1;

  /** Opens the graph; its weights are mapped and packed, which takes most of a student's load.
   * @throws MAGDI_RUNTIME when the graph cannot be loaded, MAGDI_BAD_CONFIG when maxRows is less than 2, the student
   * has fewer positions than contextLength, or the cache does not fit into memory. */
  static async open(options: OnnxModelRunnerOptions): Promise<OnnxModelRunner> {
    const { graphPath, config, maxRows, contextLength, threads } = options;
    if (maxRows < 2) {
      throw new MagdiError("MAGDI_BAD_CONFIG", `maxRows: expected at least 2, found ${maxRows}`);
    }
    if (contextLength > config.positions) {
      throw new MagdiError(
        "MAGDI_BAD_CONFIG",
        `contextLength: the student has ${config.positions} positions, found ${contextLength}`,
      );
    }
    const label = graphPath.split(/[\\/]/).slice(-3).join("/");
    const { device = "cpu", prefixBlocks = 0, memoryLimitBytes } = options;
    const session = await openStepSession(graphPath, {
      label,
      threads,
      device,
      ...(memoryLimitBytes === undefined ? {} : { memoryLimitBytes }),
    });
    let cache: KvCache;
    try {
      const shape = {
        layers: config.layers,
        rows: maxRows + 1,
        keyValueHeads: config.keyValueHeads,
        capacityTokens: contextLength,
        headSize: config.headSize,
        floats: session.inputType("past_key_values.0.key") === "float16" ? "float16" : "float32",
      } as const;
      cache =
        device === "cpu" ? new HostKvCache(shape) : await DeviceKvCache.open(session, shape, prefixBlocks);
    } catch (error) {
      session.close();
      throw error;
    }
    const runner = new OnnxModelRunner(session, cache, options);
    try {
      await runner.#probe(options.probeCuts ?? false);
    } catch (error) {
      runner.close();
      throw error;
    }
    return runner;
  }

  private constructor(session: Session, cache: KvCache, options: OnnxModelRunnerOptions) {
    const { config, maxRows } = options;
    this.#session = session;
    this.maxRows = maxRows;
    this.promptRow = maxRows;
    this.contextLength = options.contextLength;
    this.vocabSize = config.vocabSize;
    this.candidateCount = Math.min(CANDIDATES, config.vocabSize);
    this.prefillChunkTokens = options.prefillChunkTokens;
    this.#cutTokens = options.prefillChunkTokens;
    this.#cache = cache;
    this.#ids = int64s(Math.max(maxRows, options.prefillChunkTokens));
    this.#lengths = int32s(maxRows);
    this.#candidateLogits = floats(maxRows * this.candidateCount);
    this.#candidateIds = int64s(maxRows * this.candidateCount);
    this.#topProbability = floats(maxRows);
    this.#logSumExp = floats(maxRows);
    this.#promptCache = cache.promptRow();
  }

  async prefill(tokens: Int32Array, past: number, wantLogits: boolean): Promise<StepOutput> {
    const count = tokens.length;
    this.#assertRoom(past + count);
    for (let i = 0; i < count; i++) this.#ids[i] = BigInt(tokens[i]!);
    this.#lengths[0] = past + count - 1;
    this.#totalLength.data[0] = past + count;
    let bindings = this.#prefillBindings.get(count);
    if (bindings === undefined) {
      const cached = this.#promptCache;
      bindings = { candidates: this.#bind(1, count, cached, false), logits: null, cached };
      this.#prefillBindings.set(count, bindings);
    }
    if (wantLogits) bindings.logits ??= this.#bind(1, count, this.#promptCache, true);
    await this.#run((wantLogits ? bindings.logits : null) ?? bindings.candidates);
    return this.#output(1, wantLogits);
  }

  async decode(
    rowCount: number,
    tokens: Int32Array,
    pasts: Int32Array,
    wantLogits: boolean,
  ): Promise<StepOutput> {
    let longest = 0;
    for (let row = 0; row < rowCount; row++) {
      this.#ids[row] = BigInt(tokens[row]!);
      this.#lengths[row] = pasts[row]!;
      longest = Math.max(longest, pasts[row]!);
    }
    this.#assertRoom(longest + 1);
    const rows = Math.max(rowCount, this.#minRows);
    for (let row = rowCount; row < rows; row++) {
      // A row that nobody decodes in: what it computes is not read.
      this.#ids[row] = 0n;
      this.#lengths[row] = 0;
    }
    this.#totalLength.data[0] = longest + 1;
    let bindings = this.#decodeBindings.get(rows);
    if (bindings === undefined) {
      const cached = this.#cache.decodeRows(rows);
      bindings = { candidates: this.#bind(rows, 1, cached, false), logits: null, cached };
      this.#decodeBindings.set(rows, bindings);
    }
    if (wantLogits) bindings.logits ??= this.#bind(rows, 1, bindings.cached, true);
    await this.#run((wantLogits ? bindings.logits : null) ?? bindings.candidates);
    return this.#output(rowCount, wantLogits);
  }

  copyRow(from: number, to: number, length: number): void {
    this.#cache.copyRow(from, to, length);
  }

  get cutTokens(): number {
    return this.#cutTokens;
  }

  /** Bytes that steps have copied from the host to the device and back; 0 where they are one. */
  get transferredBytes(): number {
    return this.#session.transferredBytes;
  }

  newBlock(tokens: number): TokenBlock {
    return this.#cache.newBlock(tokens);
  }

  saveTokens(from: number, count: number, block: TokenBlock, at: number): void {
    this.#cache.save(from, count, block, at);
  }

  loadTokens(from: number, count: number, block: TokenBlock): void {
    this.#cache.load(from, count, block);
  }

  promptNumbers(count: number): Promise<Float32Array> {
    return this.#cache.promptNumbers(count);
  }

  close(): void {
    this.#session.assertIdle();
    // A device's memory is given back to the session that it came from.
    this.#cache.close();
    this.#session.close();
    for (const tensor of this.#tensors.splice(0)) tensor.release();
  }

  /** The attention operator writes where it is told to, past a row's end too. */
  #assertRoom(tokens: number): void {
    if (tokens <= this.contextLength) return;
    throw new MagdiError(
      "MAGDI_RUNTIME",
      `session ${this.#session.label}: a row holds ${this.contextLength} tokens, found a step to ${tokens}`,
    );
  }

  async #probe(cuts: boolean): Promise<void> {
    // cuBLAS chooses its kernels by the number of rows, so that last bits can depend on the batch whatever is done: a
    // row beside it would be computed for nothing.
    if (this.#session.device === "cuda") return;
    // Rounding to float16 hides most differences of last bits from the few tokens of a probe, and not from all others.
    const telling = this.#cache.shape.floats === "float32";
    if (!telling || !(await aloneIsAsBeside(this))) this.#minRows = 2;
    // Even pieces, because kernels work in tiles of even lengths, and a row alone in a tile is another matter.
    if (cuts && telling && (await piecesAreAsWhole(this))) this.#cutTokens = 2;
  }

  async #run(binding: Binding): Promise<void> {
    if (this.#cache.unsettled) await this.#cache.settle();
    await this.#session.run(binding);
  }

  #track<T extends Tensor>(tensor: T): T {
    this.#tensors.push(tensor);
    return tensor;
  }

  #bind(rows: number, positions: number, { past, present }: CachedRows, wantLogits: boolean): Binding {
    const { candidateCount: k, vocabSize } = this;
    const inputs = {
      input_ids: this.#track(
        new OrtTensor("int64", [rows, positions], this.#ids.subarray(0, rows * positions)),
      ),
      lengths: this.#track(new OrtTensor("int32", [rows], this.#lengths.subarray(0, rows))),
      total_length: this.#totalLength,
      ...past,
    };
    const outputs: Record<string, Tensor> = {
      candidate_logits: this.#track(
        new OrtTensor("float32", [rows, k], this.#candidateLogits.subarray(0, rows * k)),
      ),
      candidate_ids: this.#track(new OrtTensor("int64", [rows, k], this.#candidateIds.subarray(0, rows * k))),
      top_probability: this.#track(new OrtTensor("float32", [rows], this.#topProbability.subarray(0, rows))),
      ...present,
    };
    if (wantLogits) {
      this.#logits ??= floats(this.maxRows * vocabSize);
      const part = this.#logits.subarray(0, rows * vocabSize);
      outputs.logits = this.#track(new OrtTensor("float32", [rows, vocabSize], part));
    }
    return new Binding(inputs, outputs);
  }

  #output(rows: number, wantLogits: boolean): StepOutput {
    for (let row = 0; row < rows; row++) {
      // log Σ exp z = max z − log max softmax(z), which cannot underflow. The logarithm is taken here, because a
      // vectorised one can round a value otherwise in another place of the vector, and so in another batch.
      const best = this.#candidateLogits[row * this.candidateCount]!;
      this.#logSumExp[row] = best - Math.log(this.#topProbability[row]!);
    }
    return {
      candidateLogits: this.#candidateLogits,
      candidateIds: this.#candidateIds,
      logSumExp: this.#logSumExp,
      logits: wantLogits ? this.#logits : null,
    };
  }
}
