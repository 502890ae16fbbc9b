// The interface between scheduler and model: KV cache rows, prefill of one prompt in chunks, decode steps of a batch.

/** A step's output for its B rows, or the S positions of a lone row whose draft it checks; valid until the next step begins. */
export interface StepOutput {
  /** Candidate logits [B, K], best first. */
  readonly candidateLogits: Float32Array;
  /** Candidate token ids [B, K]. */
  readonly candidateIds: BigInt64Array;
  /** log Σ exp(logit) over the whole vocabulary [B]: a candidate's log-probability is its logit minus this. */
  readonly logSumExp: Float32Array;
  /** All logits [B, V]; null unless asked for. */
  readonly logits: Float32Array | null;
}

/** A prefix cache block, in the runner's own memory: keys and values on the host, or a slot on a device. */
export type KvBlock = Float32Array | { readonly slot: number };

/**
 * Rows 0..rowCount-1 of the KV cache are the decode rows and stay contiguous (the scheduler moves the last row into a
 * free one); `promptRow` is one more row, for the prompt being prefilled. One call at a time.
 */
export interface ModelRunner {
  /** Number of decode rows. */
  readonly maxRows: number;
  /** Index of the prompt row, = maxRows. */
  readonly promptRow: number;
  /** Tokens that one row holds. */
  readonly contextLength: number;
  readonly vocabSize: number;
  /** K: candidates picked in the graph. */
  readonly candidateCount: number;
  /** Most tokens of one prefill chunk; even, at least 4. */
  readonly prefillChunkTokens: number;
  /** A position's keys, values and logits are bit for bit the same however its prompt was cut into chunks that begin at
   * multiples of this and end as nextChunkTokens says. Even, and a divisor of prefillChunkTokens. */
  readonly chunkAlignmentTokens: number;
  /** Whether a decode step may append several tokens to a lone row, to the same bits as one after the other. */
  readonly checksDrafts: boolean;

  /** Appends `tokens` [S] to the prompt row, which holds `past` tokens; the output's row 0 is the last position. */
  prefill(tokens: Int32Array, past: number, wantLogits: boolean): Promise<StepOutput>;
  /** Appends tokens[b] to decode row b, which holds pastLengths[b] tokens, for b < rowCount; or with `positions` above 1, at
   * most MOST_POSITIONS, so many tokens to row 0 alone: only where checksDrafts, and without logits. */
  decode(
    rowCount: number,
    tokens: Int32Array,
    pastLengths: Int32Array,
    wantLogits: boolean,
    positions?: number,
  ): Promise<StepOutput>;
  /** Copies the first `length` tokens' keys and values of row `from` to row `to`. */
  copyRow(from: number, to: number, length: number): void;
  /** The same, after which row `from` is free; where memory is bounded, it takes none any more. */
  moveRow(from: number, to: number, length: number): void;
  /** What row `row` holds from position `from` on is not needed any more: gives its memory back, where memory is bounded. */
  releaseRow(row: number, from: number): void;
  /** A block for `tokens` tokens. Blocks are never freed but reused for other tokens. */
  newBlock(tokens: number): KvBlock;
  /** Copies the keys and values of `count` tokens of the prompt row, from position `from` on, into a block from
   * position `at` on. */
  saveTokens(from: number, count: number, block: KvBlock, at: number): void;
  /** Copies a block's first `count` tokens to the prompt row, from position `from` on. */
  loadTokens(from: number, count: number, block: KvBlock): void;
  /** Frees the session and the cache. Never called while a step runs. */
  close(): void;
}

/** Positions of a decode step that checks a draft, at most. */
export const MOST_POSITIONS = 8;

/** Matrix kernels work in tiles of this many rows, or a multiple. */
const TILE_ROWS = 16;
/** Tokens left for one more chunk when the last one would end with a single row in its tile. */
const REST = 3;

/**
 * Length of the next prefill chunk when `left` tokens are left: at most `maxTokens`, which is even and at least 4. Every
 * chunk but the last is even, and none ends with a single row in a tile, except a prompt of one token: kernels sum such a
 * row in another order, so that its last bits would depend on the chunking.
 */
export function nextChunkTokens(left: number, maxTokens: number): number {
  if (left > maxTokens + 1) return maxTokens;
  const endsAlone = left === maxTokens + 1 || (left > 1 && left % TILE_ROWS === 1);
  return endsAlone ? left - REST : left;
}
