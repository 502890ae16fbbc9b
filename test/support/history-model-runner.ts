// A tiny language model whose logits depend on every token that its cache row really holds: a wrong row, a wrong
// past, a missed copy or a stale cache gives other text, and what breaks a runner's contract throws.

import assert from "node:assert/strict";
import { MOST_POSITIONS, type ModelRunner, type StepOutput } from "../../src/engine/model-runner.ts";

export interface HistoryModelOptions {
  readonly vocabSize: number;
  readonly maxRows?: number;
  readonly contextLength?: number;
  readonly candidateCount?: number;
  readonly prefillChunkTokens?: number;
  /** Default 2. */
  readonly chunkAlignmentTokens?: number;
  /** End-of-sequence tokens: hardly ever likely, or very likely after one history in `endEvery`. */
  readonly endTokens?: readonly number[];
  /** Default: infinity, never. */
  readonly endEvery?: number;
  /** Default false. */
  readonly checksDrafts?: boolean;
  /** Mostly what stands so many tokens before is said again. Default: nothing is. */
  readonly period?: number;
}

export interface StepRecord {
  readonly phase: "prefill" | "decode";
  readonly rows: number;
  readonly positions: number;
  readonly pastLengths: readonly number[];
  readonly tokens: readonly number[];
  readonly wantLogits: boolean;
}

const EMPTY = -1;
/** Added, as often as need be, to what the cache holds of a token whose numbers tell how its prompt was cut. */
const TRACE = 1 << 16;

export class HistoryModelRunner implements ModelRunner {
  readonly maxRows: number;
  readonly promptRow: number;
  readonly contextLength: number;
  readonly vocabSize: number;
  readonly candidateCount: number;
  readonly prefillChunkTokens: number;
  readonly chunkAlignmentTokens: number;
  readonly checksDrafts: boolean;
  /** What was asked, in order. */
  readonly steps: StepRecord[] = [];
  closed = false;
  /** Called in the middle of each step; a promise holds the step up, an exception fails it. */
  duringStep: (step: StepRecord) => Promise<void> | void = () => {};
  readonly #endTokens: readonly number[];
  readonly #endEvery: number;
  readonly #period: number | null;
  /** The cache: token ids [maxRows + 1, contextLength]. */
  readonly #cache: Int32Array;
  readonly #lengths: Int32Array;
  /** By row: tokens that memory was taken for. */
  readonly #held: Int32Array;
  #output: StepOutput | null = null;
  #running = false;

  constructor(options: HistoryModelOptions) {
    this.vocabSize = options.vocabSize;
    this.maxRows = options.maxRows ?? 4;
    this.promptRow = this.maxRows;
    this.contextLength = options.contextLength ?? 64;
    this.candidateCount = options.candidateCount ?? 12;
    this.prefillChunkTokens = options.prefillChunkTokens ?? 8;
    this.chunkAlignmentTokens = options.chunkAlignmentTokens ?? 2;
    this.#endTokens = options.endTokens ?? [];
    this.#endEvery = options.endEvery ?? Number.POSITIVE_INFINITY;
    this.checksDrafts = options.checksDrafts ?? false;
    this.#period = options.period ?? null;
    this.#cache = new Int32Array((this.maxRows + 1) * this.contextLength).fill(EMPTY);
    this.#lengths = new Int32Array(this.maxRows + 1);
    this.#held = new Int32Array(this.maxRows + 1);
  }

  async prefill(tokens: Int32Array, past: number, wantLogits: boolean): Promise<StepOutput> {
    assert.ok(tokens.length >= 1 && tokens.length <= this.prefillChunkTokens, `a chunk of ${tokens.length}`);
    if (past === 0) this.#clear(this.promptRow);
    const step = {
      ...({ phase: "prefill", rows: 1, positions: 1 } as const),
      ...{ pastLengths: [past], tokens: [...tokens], wantLogits },
    };
    return this.#run(step, () => {
      assert.equal(past, this.#lengths[this.promptRow], "the prompt row holds what came before the chunk");
      for (const token of tokens) this.#append(this.promptRow, token + this.#trace(past, tokens.length));
      return [this.#logitsOf(this.promptRow)];
    });
  }

  async decode(
    rowCount: number,
    tokens: Int32Array,
    pastLengths: Int32Array,
    wantLogits: boolean,
    positions = 1,
  ): Promise<StepOutput> {
    assert.ok(rowCount >= 1 && rowCount <= this.maxRows, `${rowCount} rows`);
    assert.ok(positions === 1 || (this.checksDrafts && !wantLogits), `${positions} positions`);
    assert.ok(
      positions === 1 || (rowCount === 1 && positions <= MOST_POSITIONS),
      `${rowCount} × ${positions}`,
    );
    const rows = Array.from({ length: rowCount }, (_, row) => row);
    const step = {
      phase: "decode",
      rows: rowCount,
      positions,
      pastLengths: [...pastLengths.subarray(0, rowCount)],
      tokens: [...tokens.subarray(0, rowCount * positions)],
      wantLogits,
    } as const;
    return this.#run(step, () => {
      const outputs = rows.flatMap((row) => {
        this.#forgetDraft(row, step.pastLengths[row]!);
        assert.equal(step.pastLengths[row], this.#lengths[row], `row ${row} holds its past`);
        return step.tokens.slice(row * positions, (row + 1) * positions).map((token) => {
          this.#append(row, token);
          return this.#logitsOf(row);
        });
      });
      for (let row = rowCount; row < this.maxRows; row++) this.#clear(row);
      return outputs;
    });
  }

  copyRow(from: number, to: number, length: number): void {
    assert.ok(!this.#running, "no copy while a step runs");
    assert.ok(from !== to && to < this.maxRows, `copy from ${from} to ${to}`);
    this.#forgetDraft(from, length);
    assert.equal(length, this.#lengths[from], `all that row ${from} holds is copied`);
    this.#clear(to);
    const start = from * this.contextLength;
    this.#cache.copyWithin(to * this.contextLength, start, start + length);
    this.#lengths[to] = length;
    this.#held[to] = Math.max(this.#held[to]!, length);
    if (from !== this.promptRow) this.#clear(from);
  }

  moveRow(from: number, to: number, length: number): void {
    this.copyRow(from, to, length);
    this.releaseRow(from, 0);
  }

  releaseRow(row: number, from: number): void {
    assert.ok(!this.#running, "no release while a step runs");
    assert.ok(this.#lengths[row]! <= from || from === 0, `row ${row} holds nothing from ${from} on`);
    this.#held[row] = Math.min(this.#held[row]!, from);
  }

  /** What decode rows hold together, in pages of so many tokens, with one more a row. */
  heldTokens(pageTokens: number): number {
    let tokens = 0;
    for (const held of this.#held.subarray(0, this.maxRows)) {
      if (held > 0) tokens += Math.ceil(held / pageTokens) * pageTokens + pageTokens;
    }
    return tokens;
  }

  newBlock(tokens: number): Float32Array {
    return new Float32Array(tokens);
  }

  saveTokens(from: number, count: number, block: Float32Array, at: number): void {
    assert.ok(!this.#running, "no copy while a step runs");
    assert.ok(
      count > 0 && from + count <= this.#lengths[this.promptRow]!,
      "the prompt row holds what is kept",
    );
    assert.ok(at + count <= block.length, "the block has room");
    const start = this.promptRow * this.contextLength + from;
    block.set(this.#cache.subarray(start, start + count), at);
  }

  loadTokens(from: number, count: number, block: Float32Array): void {
    assert.ok(!this.#running, "no copy while a step runs");
    assert.ok(count > 0 && count <= block.length, "the block holds what is loaded");
    if (from === 0) this.#clear(this.promptRow);
    assert.equal(from, this.#lengths[this.promptRow], "the prompt row holds what comes before the block");
    for (const value of block.subarray(0, count)) this.#append(this.promptRow, value);
  }

  close(): void {
    assert.ok(!this.#running, "no close while a step runs");
    assert.ok(!this.closed, "closed once");
    this.closed = true;
  }

  /** Tokens of a draft that were wrong lie behind what the row holds. */
  #forgetDraft(row: number, length: number): void {
    if (!this.checksDrafts || this.#lengths[row]! - length >= MOST_POSITIONS) return;
    const start = row * this.contextLength;
    this.#cache.fill(EMPTY, start + length, start + Math.max(length, this.#lengths[row]!));
    this.#lengths[row] = Math.min(length, this.#lengths[row]!);
  }

  async #run(step: StepRecord, append: () => Float32Array[]): Promise<StepOutput> {
    assert.ok(!this.closed, "no step after close");
    assert.ok(!this.#running, "one step at a time");
    this.#running = true;
    this.steps.push(step);
    try {
      this.#spoil();
      await this.duringStep(step);
      this.#output = this.#outputOf(append(), step.wantLogits);
      return this.#output;
    } finally {
      this.#running = false;
    }
  }

  /** Outputs last until the next step: who reads them later finds nothing of use. */
  #spoil(): void {
    this.#output?.candidateLogits.fill(Number.NaN);
    this.#output?.candidateIds.fill(-1n);
    this.#output?.logSumExp.fill(Number.NaN);
    this.#output?.logits?.fill(Number.NaN);
  }

  /** What a kernel lets show of how a prompt was cut: a chunk that begins where none may, a token alone in a tile. */
  #trace(past: number, count: number): number {
    return ((past % this.chunkAlignmentTokens) + (count % 16 === 1 ? 1 : 0)) * TRACE;
  }

  #append(row: number, token: number): void {
    const length = this.#lengths[row]!;
    assert.ok(length < this.contextLength, `row ${row} is full`);
    this.#cache[row * this.contextLength + length] = token;
    this.#lengths[row] = length + 1;
    this.#held[row] = Math.max(this.#held[row]!, length + 1);
  }

  #clear(row: number): void {
    const start = row * this.contextLength;
    this.#cache.fill(EMPTY, start, start + this.contextLength);
    this.#lengths[row] = 0;
  }

  #outputOf(rows: readonly Float32Array[], wantLogits: boolean): StepOutput {
    const { vocabSize, candidateCount: k } = this;
    const candidateLogits = new Float32Array(rows.length * k);
    const candidateIds = new BigInt64Array(rows.length * k);
    const logSumExp = new Float32Array(rows.length);
    const all = new Float32Array(rows.length * vocabSize);
    rows.forEach((logits, at) => {
      all.set(logits, at * vocabSize);
      logSumExp[at] = Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit), 0));
      const order = [...logits.keys()].sort((a, b) => logits[b]! - logits[a]! || a - b);
      for (let best = 0; best < k; best++) {
        candidateLogits[at * k + best] = logits[order[best]!]!;
        candidateIds[at * k + best] = BigInt(order[best]!);
      }
    });
    return { candidateLogits, candidateIds, logSumExp, logits: wantLogits ? all : null };
  }

  /** Logits [V] of a hash over all that the row holds, on a coarse grid so that some are equal. */
  #logitsOf(row: number): Float32Array {
    const start = row * this.contextLength;
    let hash = 0x811c9dc5;
    for (let at = 0; at < this.#lengths[row]!; at++) hash = mix(hash ^ (this.#cache[start + at]! + 1));
    const logits = new Float32Array(this.vocabSize);
    for (let id = 0; id < this.vocabSize; id++) {
      logits[id] = (mix(hash + id * 0x9e3779b9) >>> 24) / 32 - 4;
    }
    const before = this.#lengths[row]! - (this.#period ?? Number.POSITIVE_INFINITY);
    if (before >= 0 && mix(hash ^ 7) >>> 30 > 0) logits[this.#cache[start + before]! % TRACE] = 9;
    for (const id of this.#endTokens) logits[id] = (mix(hash ^ id) >>> 0) % this.#endEvery === 1 ? 5 : -30;
    return logits;
  }
}

/** MurmurHash3's finaliser, signed. */
function mix(value: number): number {
  let mixed = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return mixed ^ (mixed >>> 16);
}
