// The model runner over ONNX Runtime: a session of a student's step graph, its KV cache, and buffers that are bound
// once and reused by every step. Where our own operators run, nothing has to be padded, probed or aligned.

import { MagdiError } from "../base/errors.ts";
import type { DecoderConfig } from "../nn/decoder-config.ts";
import { CANDIDATES } from "../nn/serving-graph.ts";
import type { Device } from "../runtime/device-name.ts";
import type { Kernels } from "../runtime/native-kernels.ts";
import { OrtTensor, type Tensor } from "../runtime/ort-tensor.ts";
import { Binding, type Session } from "../runtime/session.ts";
import { isBatchInvariant, isChunkInvariant, type ProbedRunner } from "./batch-invariance.ts";
import { DeviceKvCache } from "./device-kv-cache.ts";
import { type CachedRows, HostKvCache, type KvCache } from "./kv-cache.ts";
import { type KvBlock, MOST_POSITIONS, type StepOutput } from "./model-runner.ts";
import { openStepSession, type StepSession } from "./step-session.ts";

export interface OnnxModelRunnerOptions {
  /** The step graph of a student folder (engine_<dtype>.onnx). */
  readonly graphPath: string;
  readonly config: DecoderConfig;
  /** Decode rows, each of contextLength tokens. */
  readonly maxRows: number;
  readonly contextLength: number;
  readonly prefillChunkTokens: number;
  readonly threads: number;
  /** Where steps run and the KV cache lies. Default cpu. */
  readonly device?: Device;
  /** See SessionOptions. */
  readonly memoryLimitBytes?: number;
  /** How many blocks of BLOCK_TOKENS tokens newBlock may make; a device allocates them at once. Default 0. */
  readonly prefixBlocks?: number;
  /** Whether rows give their memory back when they are told to; without effect on a device. Default false. */
  readonly boundedRows?: boolean;
  /** Probe whether chunks of any even length give the same bits, at the cost of prefilling two short prompts; otherwise
   * chunkAlignmentTokens is a whole chunk. Default false. */
  readonly probeChunking?: boolean;
}

/** Arrays with an ArrayBuffer of their own, which native code may read and write. */
const int64s = (length: number): BigInt64Array => new BigInt64Array(new ArrayBuffer(length * 8));
const int32s = (length: number): Int32Array => new Int32Array(new ArrayBuffer(length * 4));
const floats = (length: number): Float32Array => new Float32Array(new ArrayBuffer(length * 4));

/** A step of one size, with its bindings once they are made: without and with the full logits. */
interface PreparedStep {
  readonly cached: CachedRows;
  candidates: Binding | null;
  logits: Binding | null;
}

export class OnnxModelRunner implements ProbedRunner {
  readonly maxRows: number;
  readonly promptRow: number;
  readonly contextLength: number;
  readonly vocabSize: number;
  readonly candidateCount: number;
  readonly prefillChunkTokens: number;
  #chunkAlignmentTokens: number;
  /** What computes the steps. */
  readonly kernels: Kernels;
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
  /** By phase, rows and positions. */
  readonly #steps = new Map<string, PreparedStep>();
  readonly #promptCache: CachedRows;
  readonly #tensors: Tensor[] = [this.#totalLength];
  /** Smallest batch of a decode step: 2 where this processor's kernels are not batch-invariant for a single row, so
   * that an answer never depends on other requests. */
  #minRows = 1;

  /** Opens the graph; mapping and packing its weights takes most of a student's load time.
   * @throws MAGDI_RUNTIME when the graph cannot be loaded, MAGDI_BAD_CONFIG when maxRows is less than 2, the student
   * has fewer positions than contextLength, or the KV cache does not fit into memory. */
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
    const opened = await openStepSession(graphPath, config, {
      label,
      threads,
      device,
      ...(memoryLimitBytes === undefined ? {} : { memoryLimitBytes }),
    });
    const { session, keyTileTokens } = opened;
    let cache: KvCache;
    try {
      const shape = {
        layers: config.layers,
        rows: maxRows + 1,
        keyValueHeads: config.keyValueHeads,
        capacityTokens: Math.ceil(contextLength / keyTileTokens) * keyTileTokens,
        keyTileTokens,
        headSize: config.headSize,
        floats: session.inputType("past_key_values.0.key") === "float16" ? "float16" : "float32",
      } as const;
      cache =
        device === "cpu"
          ? new HostKvCache(shape, options.boundedRows)
          : await DeviceKvCache.open(session, shape, prefixBlocks);
    } catch (error) {
      session.close();
      throw error;
    }
    const runner = new OnnxModelRunner(opened, cache, options);
    try {
      await runner.#probe(options.probeChunking ?? false);
    } catch (error) {
      runner.close();
      throw error;
    }
    return runner;
  }

  private constructor(opened: StepSession, cache: KvCache, options: OnnxModelRunnerOptions) {
    const { config, maxRows } = options;
    this.#session = opened.session;
    this.kernels = opened.kernels;
    this.maxRows = maxRows;
    this.promptRow = maxRows;
    this.contextLength = options.contextLength;
    this.vocabSize = config.vocabSize;
    this.candidateCount = Math.min(CANDIDATES, config.vocabSize);
    this.prefillChunkTokens = options.prefillChunkTokens;
    this.#chunkAlignmentTokens = options.prefillChunkTokens;
    this.#cache = cache;
    const outputs = Math.max(maxRows, MOST_POSITIONS);
    this.#ids = int64s(Math.max(outputs, options.prefillChunkTokens));
    this.#lengths = int32s(maxRows);
    this.#candidateLogits = floats(outputs * this.candidateCount);
    this.#candidateIds = int64s(outputs * this.candidateCount);
    this.#topProbability = floats(outputs);
    this.#logSumExp = floats(outputs);
    this.#promptCache = cache.promptRow();
  }

  async prefill(tokens: Int32Array, past: number, wantLogits: boolean): Promise<StepOutput> {
    const count = tokens.length;
    this.#assertRoom(past + count);
    for (let i = 0; i < count; i++) this.#ids[i] = BigInt(tokens[i]!);
    this.#lengths[0] = past + count - 1;
    this.#totalLength.data[0] = past + count;
    await this.#run("prefill", 1, count, wantLogits);
    return this.#output(1, wantLogits);
  }

  async decode(
    rowCount: number,
    tokens: Int32Array,
    pastLengths: Int32Array,
    wantLogits: boolean,
    positions = 1,
  ): Promise<StepOutput> {
    let longest = 0;
    for (let at = 0; at < rowCount * positions; at++) this.#ids[at] = BigInt(tokens[at]!);
    for (let row = 0; row < rowCount; row++) {
      this.#lengths[row] = pastLengths[row]! + positions - 1;
      longest = Math.max(longest, pastLengths[row]!);
    }
    this.#assertRoom(longest + positions);
    const rows = Math.max(rowCount, this.#minRows);
    for (let row = rowCount; row < rows; row++) {
      // A padding row, whose output is not read.
      this.#ids[row] = 0n;
      this.#lengths[row] = 0;
    }
    this.#totalLength.data[0] = longest + positions;
    await this.#run("decode", rows, positions, wantLogits);
    return this.#output(rowCount * positions, wantLogits);
  }

  copyRow(from: number, to: number, length: number): void {
    this.#cache.copyRow(from, to, length);
  }

  moveRow(from: number, to: number, length: number): void {
    this.#cache.moveRow(from, to, length);
  }

  releaseRow(row: number, from: number): void {
    this.#cache.releaseRow(row, from);
  }

  get checksDrafts(): boolean {
    return this.kernels.kind === "native";
  }

  get chunkAlignmentTokens(): number {
    return this.#chunkAlignmentTokens;
  }

  /** Bytes that steps have copied between host and device; 0 on the CPU. */
  get transferredBytes(): number {
    return this.#session.transferredBytes;
  }

  newBlock(tokens: number): KvBlock {
    return this.#cache.newBlock(tokens);
  }

  saveTokens(from: number, count: number, block: KvBlock, at: number): void {
    this.#cache.save(from, count, block, at);
  }

  loadTokens(from: number, count: number, block: KvBlock): void {
    this.#cache.load(from, count, block);
  }

  readPromptRow(count: number): Promise<Float32Array> {
    return this.#cache.readPromptRow(count);
  }

  close(): void {
    this.#session.assertIdle();
    // Device memory is released to its session, which must still be open.
    this.#cache.close();
    this.#session.close();
    for (const tensor of this.#tensors.splice(0)) tensor.release();
  }

  /** The attention operator does not check bounds and would write past a row's end. */
  #assertRoom(tokens: number): void {
    if (tokens <= this.contextLength) return;
    throw new MagdiError(
      "MAGDI_RUNTIME",
      `session ${this.#session.label}: a row holds ${this.contextLength} tokens, found a step to ${tokens}`,
    );
  }

  async #probe(chunking: boolean): Promise<void> {
    if (this.kernels.kind === "native") {
      // A position's numbers depend on nothing else, by construction.
      this.#chunkAlignmentTokens = 1;
      return;
    }
    // cuBLAS chooses its kernels by the number of rows, so the last bits can depend on the batch in any case: a padding
    // row would not help.
    if (this.#session.device === "cuda") return;
    // Rounding to float16 hides most differences from a probe of a few tokens, but not from all other tokens.
    const conclusive = this.#cache.shape.floats === "float32";
    if (!conclusive || !(await isBatchInvariant(this))) this.#minRows = 2;
    if (chunking && conclusive && (await isChunkInvariant(this))) this.#chunkAlignmentTokens = 2;
  }

  async #run(
    phase: "prefill" | "decode",
    rows: number,
    positions: number,
    wantLogits: boolean,
  ): Promise<void> {
    const key = `${phase} ${rows} ${positions}`;
    let step = this.#steps.get(key);
    if (step === undefined) {
      const cached = phase === "prefill" ? this.#promptCache : this.#cache.decodeRows(rows);
      step = { cached, candidates: null, logits: null };
      this.#steps.set(key, step);
    }
    if (this.#cache.hasPendingCopies) await this.#cache.flushCopies();
    const kind = wantLogits ? "logits" : "candidates";
    // Of a prefill the last position's output, of a decode step all positions'.
    const first = phase === "prefill" ? positions - 1 : 0;
    step[kind] ??= this.#bind(rows, positions, first, step.cached, wantLogits);
    await this.#session.run(step[kind]);
  }

  #track<T extends Tensor>(tensor: T): T {
    this.#tensors.push(tensor);
    return tensor;
  }

  #bind(
    rows: number,
    positions: number,
    firstOutput: number,
    { past, present }: CachedRows,
    wantLogits: boolean,
  ): Binding {
    const { candidateCount: k, vocabSize } = this;
    const outputPositions = int64s(positions - firstOutput).map((_, at) => BigInt(firstOutput + at));
    const outputRows = rows * outputPositions.length;
    const isNative = this.kernels.kind === "native";
    const inputs = {
      input_ids: this.#track(
        new OrtTensor("int64", [rows, positions], this.#ids.subarray(0, rows * positions)),
      ),
      lengths: this.#track(new OrtTensor("int32", [rows], this.#lengths.subarray(0, rows))),
      total_length: this.#totalLength,
      ...(isNative
        ? {
            output_positions: this.#track(new OrtTensor("int64", [outputPositions.length], outputPositions)),
          }
        : {}),
      ...past,
    };
    const outputs: Record<string, Tensor> = {
      candidate_logits: this.#track(
        new OrtTensor("float32", [outputRows, k], this.#candidateLogits.subarray(0, outputRows * k)),
      ),
      candidate_ids: this.#track(
        new OrtTensor("int64", [outputRows, k], this.#candidateIds.subarray(0, outputRows * k)),
      ),
      ...present,
    };
    const [name, numbers] = isNative
      ? (["log_sum_exp", this.#logSumExp] as const)
      : (["top_probability", this.#topProbability] as const);
    outputs[name] = this.#track(new OrtTensor("float32", [outputRows], numbers.subarray(0, outputRows)));
    if (wantLogits) {
      this.#logits ??= floats(this.maxRows * vocabSize);
      const part = this.#logits.subarray(0, rows * vocabSize);
      outputs.logits = this.#track(new OrtTensor("float32", [rows, vocabSize], part));
    }
    return new Binding(inputs, outputs);
  }

  #output(rows: number, wantLogits: boolean): StepOutput {
    for (let row = 0; this.kernels.kind === "stock" && row < rows; row++) {
      // log Σ exp z = max z − log max softmax(z), which cannot underflow. Not in the graph, because a vectorised
      // logarithm can round a value differently at another position of the vector, and so in another batch.
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
