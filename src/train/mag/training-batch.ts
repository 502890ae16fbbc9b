// The arrays of one training step: padded token ids, where labels are, pooling weights, pairs and Â. It says what they
// are, not how they come about.

/** Every array is row-major; rows are sequences, padded on the right. */
export interface TrainingBatch {
  /** [rows · columns] */
  readonly tokenIds: BigInt64Array;
  readonly rows: number;
  readonly columns: number;
  /** [rows]: tokens that are no padding */
  readonly lengths: Int32Array;
  /** [labels]: row · columns + t of the position whose next token is the label */
  readonly labelPositions: BigInt64Array;
  /** [labels] */
  readonly labelIds: BigInt64Array;
  /** [rows · columns]: t / Σt with t = 1, 2, … over a row's tokens, 0 on padding */
  readonly poolingWeights: Float32Array;
  /** [pairs · 2]: the rows of a right and a wrong chain of one question */
  readonly pairs: BigInt64Array;
  /** [rows · rows]: Â, a block for each graph */
  readonly adjacency: Float32Array;
  /** [rows]: 1 right, 0 wrong */
  readonly nodeLabels: BigInt64Array;
  /** How many labels there are: the mean of an optimiser step divides by the sum over its batches. */
  readonly labelTokens: number;
}
