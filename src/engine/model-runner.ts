// What the scheduler needs of a model: rows of a key/value cache, a prefill chunk of one row, a decode step of
// many. It knows no requests, no text and no sampling.

/** What one step yields for each of its B rows; valid until the next step begins. */
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

/** Keys and values of some tokens outside of the rows, where the runner that made it keeps them: numbers of the host's, or
 * a place in a device's memory. */
export type TokenBlock = Float32Array | { readonly slot: number };

/**
 * Rows 0..rowCount-1 of the cache are the decode rows and stay contiguous (the scheduler moves the last row into a
 * hole); `promptRow` is one more row that holds the prompt being prefilled. One call at a time.
 */
export interface ModelRunner {
  /** Decode rows there are. */
  readonly maxRows: number;
  /** Index of the extra row for the prompt, = maxRows. */
  readonly promptRow: number;
  /** Tokens that one row holds. */
  readonly contextLength: number;
  readonly vocabSize: number;
  /** K: candidates picked in the graph. */
  readonly candidateCount: number;
  /** Most tokens of one prefill chunk; even, at least 4. */
  readonly prefillChunkTokens: number;
  /** Where prompts may be cut: a position's keys, values and logits are bit for bit the same wherever its prompt was
   * cut at multiples of this (and as in prompt-chunks.ts). Even, and a divisor of prefillChunkTokens. */
  readonly cutTokens: number;

  /** Appends `tokens` [S] to the prompt row, which holds `past` tokens; the output's row 0 is the last position. */
  prefill(tokens: Int32Array, past: number, wantLogits: boolean): Promise<StepOutput>;
  /** Appends tokens[b] to decode row b, which holds pasts[b] tokens, for b < rowCount. */
  decode(rowCount: number, tokens: Int32Array, pasts: Int32Array, wantLogits: boolean): Promise<StepOutput>;
  /** Copies the first `length` tokens' keys and values of row `from` to row `to`. */
  copyRow(from: number, to: number, length: number): void;
  /** Room for `tokens` tokens; what is made is never given back, and used again for other tokens. */
  newBlock(tokens: number): TokenBlock;
  /** Copies the keys and values of `count` tokens of the prompt row, from position `from` on, to positions `at` .. of a
   * block. */
  saveTokens(from: number, count: number, block: TokenBlock, at: number): void;
  /** Copies a block's first `count` tokens to the prompt row's positions `from` .. */
  loadTokens(from: number, count: number, block: TokenBlock): void;
  /** Frees the session and the cache. Never called while a step runs. */
  close(): void;
}
