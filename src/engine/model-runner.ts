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
  /** Tokens of one prefill chunk, the last of which may have one more; chunk borders lie at its multiples, so a
   * prompt's chunks never depend on what else runs. */
  readonly prefillChunkTokens: number;

  /** Appends `tokens` [S] to the prompt row, which holds `past` tokens; the output's row 0 is the last position. */
  prefill(tokens: Int32Array, past: number, wantLogits: boolean): Promise<StepOutput>;
  /** Appends tokens[b] to decode row b, which holds pasts[b] tokens, for b < rowCount. */
  decode(rowCount: number, tokens: Int32Array, pasts: Int32Array, wantLogits: boolean): Promise<StepOutput>;
  /** Copies the first `length` tokens' keys and values of row `from` to row `to`. */
  copyRow(from: number, to: number, length: number): void;
  /** Frees the session and the cache. Never called while a step runs. */
  close(): void;
}
