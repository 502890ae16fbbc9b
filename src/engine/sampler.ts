// Samples the next token from a row of a step's output.

import { MagdiError } from "../base/errors.ts";
import { expNonPositive, LogitRow } from "./logit-row.ts";
import type { StepOutput } from "./model-runner.ts";
import type { SamplingParams, TokenLogprob } from "./request.ts";

/** A sample's random numbers: one for each sampled token, none in greedy decoding. */
export interface RandomSource {
  /** The next number in [0, 1). */
  nextFloat(): number;
}

export type FilterParams = Pick<
  SamplingParams,
  "temperature" | "topK" | "topP" | "minP" | "logitBias" | "topLogprobs"
>;

/** Whether exact sampling needs more than a row's K candidates, with `maskedCount` end-of-sequence ids masked. */
export function needsFullLogits(params: FilterParams, candidateCount: number, maskedCount: number): boolean {
  if (params.logitBias.size > 0 || (params.topLogprobs ?? 0) > candidateCount) return true;
  const wanted = params.temperature === 0 ? 1 : params.topK;
  return wanted === 0 || wanted + maskedCount > candidateCount;
}

/** Top-p seldom keeps a token below this share of the most likely one's weight, so this is tried first. */
const LIKELY_FLOOR = 1e-4;

/**
 * Filters in the order of Transformers' processors and warpers: bias, end-of-sequence mask, temperature, top-k,
 * top-p (of the distribution after top-k, renormalised), min-p; each keeps at least one token. The order of tokens is
 * the same everywhere, highest logit first and equal ones by lowest id, so that a row's candidates and its full logits
 * give the same token for the same random number. (Transformers' top-k also keeps tokens equal to the k-th; this one
 * keeps exactly k.)
 */
export class Sampler {
  readonly #vocabSize: number;
  readonly #candidateCount: number;
  #output: StepOutput | null = null;
  #rawIds: BigInt64Array | null = null;
  /** The candidate ids as 32-bit halves: reading a BigInt64Array allocates an object for each element. */
  #idWords: Int32Array = new Int32Array(0);
  /** The tokens to sample from, in order: logits, ids and, once filtered, weights. */
  #logits: Float32Array;
  #ids: Int32Array;
  #weights: Float64Array;
  /** Made when a request first needs full logits. */
  #row: LogitRow | null = null;

  constructor(vocabSize: number, candidateCount: number) {
    this.#vocabSize = vocabSize;
    this.#candidateCount = candidateCount;
    this.#logits = new Float32Array(candidateCount);
    this.#ids = new Int32Array(candidateCount);
    this.#weights = new Float64Array(candidateCount);
  }

  /** Sets the step output that pick and the log-probabilities read. */
  begin(output: StepOutput): void {
    this.#output = output;
    if (this.#rawIds !== output.candidateIds) {
      const ids = output.candidateIds;
      this.#rawIds = ids;
      this.#idWords = new Int32Array(ids.buffer, ids.byteOffset, ids.length * 2);
    }
  }

  /**
   * A token sampled from output row `row`, never one of `masked`. Draws one number from `random` unless temperature is 0.
   * Throws MAGDI_RUNTIME when the row holds NaN.
   */
  pick(row: number, params: FilterParams, masked: readonly number[], random: RandomSource): number {
    const output = this.#stepOutput();
    if (!Number.isFinite(output.logSumExp[row])) {
      throw new MagdiError(
        "MAGDI_RUNTIME",
        `logits: expected finite numbers, found a log-sum of ${output.logSumExp[row]} in row ${row}; ` +
          "the student's weights are damaged, or its arithmetic overflows for this prompt",
      );
    }
    if (needsFullLogits(params, this.#candidateCount, masked.length)) {
      return this.#pickFromLogits(row, params, masked, random);
    }
    const wanted = params.temperature === 0 ? 1 : params.topK;
    const count = this.#loadCandidates(row, wanted, masked);
    return params.temperature === 0 ? this.#ids[0]! : this.#draw(count, params, random);
  }

  /** Natural log of the token's probability in output row `row`, before all filters. */
  logprob(row: number, tokenId: number): number {
    const output = this.#stepOutput();
    const logSumExp = output.logSumExp[row]!;
    if (output.logits !== null) return output.logits[row * this.#vocabSize + tokenId]! - logSumExp;
    const offset = row * this.#candidateCount;
    for (let at = offset; at < offset + this.#candidateCount; at++) {
      if (this.#candidateId(at) === tokenId) return output.candidateLogits[at]! - logSumExp;
    }
    throw new RangeError(`token ${tokenId}: expected one of row ${row}'s ${this.#candidateCount} candidates`);
  }

  /** The `count` most likely tokens of output row `row`, before all filters. */
  topLogprobs(row: number, count: number): TokenLogprob["top"] {
    const output = this.#stepOutput();
    const logSumExp = output.logSumExp[row]!;
    const top: { tokenId: number; logprob: number }[] = [];
    if (count <= this.#candidateCount) {
      this.#loadCandidates(row, count, []);
      for (let position = 0; position < count; position++) {
        top.push({ tokenId: this.#ids[position]!, logprob: this.#logits[position]! - logSumExp });
      }
      return top;
    }
    const logits = this.#loadRow(row);
    logits.scan();
    const found = Math.min(count, logits.atLeast(logits.floorFor(count)));
    for (let position = 0; position < found; position++) {
      const tokenId = logits.ids[position]!;
      top.push({ tokenId, logprob: logits.values[tokenId]! - logSumExp });
    }
    return top;
  }

  /** Puts the first `wanted` candidates that are not masked into the scratch arrays, in order. */
  #loadCandidates(row: number, wanted: number, masked: readonly number[]): number {
    const { candidateLogits } = this.#stepOutput();
    const offset = row * this.#candidateCount;
    let count = 0;
    for (let at = offset; count < wanted && at < offset + this.#candidateCount; at++) {
      const id = this.#candidateId(at);
      if (masked.includes(id)) continue;
      const logit = candidateLogits[at]!;
      // The graph's TopK gives equal logits by lowest id on the CPU; on other devices they are put into that order
      // here.
      let position = count++;
      while (position > 0 && this.#logits[position - 1] === logit && this.#ids[position - 1]! > id) {
        this.#ids[position] = this.#ids[position - 1]!;
        position--;
      }
      this.#logits[count - 1] = logit;
      this.#ids[position] = id;
    }
    return count;
  }

  /** Samples from the full logits: with a bias, a large top-k or none. */
  #pickFromLogits(
    row: number,
    params: FilterParams,
    masked: readonly number[],
    random: RandomSource,
  ): number {
    const { topK, topP, minP, temperature } = params;
    const logits = this.#loadRow(row);
    const { values, vocabSize } = logits;
    for (const [id, bias] of params.logitBias) values[id] = values[id]! + bias;
    for (const id of masked) values[id] = Number.NEGATIVE_INFINITY;
    const best = logits.scan();
    if (temperature === 0) return values.indexOf(best);
    if (topK > 0 && topK < vocabSize) {
      const count = Math.min(topK, logits.atLeast(logits.floorFor(topK)));
      this.#copySorted(logits, count);
      return this.#draw(count, params, random);
    }

    let total = 0;
    if (topP < 1 || minP === 0) {
      this.#reserve(vocabSize);
      for (let id = 0; id < vocabSize; id++) {
        const weight = expNonPositive((values[id]! - best) / temperature);
        this.#weights[id] = weight;
        total += weight;
      }
      // Without a filter no order is needed: weights are by id.
      if (topP === 1 && minP === 0) return this.#choose(vocabSize, total, random);
    }
    // Tokens of less weight are never kept: all of them together weigh less than what top-p drops.
    const exactFloor = Math.max(minP, ((1 - topP) * total) / vocabSize);
    let count = 0;
    let kept = 0;
    for (const floor of [Math.max(exactFloor, LIKELY_FLOOR), exactFloor]) {
      const floorLogit = best + temperature * Math.log(floor);
      count = logits.atLeast(floorLogit - 1e-6 * (1 + Math.abs(floorLogit)));
      this.#copySorted(logits, count);
      kept = this.#keep(count, params, total);
      if (kept < count || floor === exactFloor) break;
    }
    return this.#drawKept(kept, random);
  }

  /** A token sampled from the first `count` in the scratch arrays with temperature, top-p and min-p. */
  #draw(count: number, params: FilterParams, random: RandomSource): number {
    return this.#drawKept(this.#keep(count, params, null), random);
  }

  /** Computes the weights of the first `count` tokens and returns how many top-p and min-p keep; top-p is a share of
   * `total`, or, with null, of their own sum. */
  #keep(count: number, { temperature, topP, minP }: FilterParams, total: number | null): number {
    const weights = this.#weights;
    const logits = this.#logits;
    const best = logits[0]!;
    let mass = 0;
    for (let position = 0; position < count; position++) {
      const weight = expNonPositive((logits[position]! - best) / temperature);
      weights[position] = weight;
      mass += weight;
    }
    let kept = count;
    if (topP < 1) {
      const goal = topP * (total ?? mass);
      let reached = weights[0]!;
      kept = 1;
      while (kept < count && reached < goal) reached += weights[kept++]!;
    }
    while (kept > 1 && weights[kept - 1]! < minP) kept--;
    return kept;
  }

  #drawKept(kept: number, random: RandomSource): number {
    let mass = 0;
    for (let position = 0; position < kept; position++) mass += this.#weights[position]!;
    return this.#ids[this.#choose(kept, mass, random)]!;
  }

  /** A random position in [0, count), each with its share of `mass`, the sum of the weights. Draws one number. */
  #choose(count: number, mass: number, random: RandomSource): number {
    const weights = this.#weights;
    const threshold = random.nextFloat() * mass;
    let cumulative = 0;
    let last = 0;
    for (let position = 0; position < count; position++) {
      if (weights[position] === 0) continue;
      cumulative += weights[position]!;
      last = position;
      if (threshold < cumulative) break;
    }
    return last;
  }

  /** Copies the first `count` sorted tokens of `logits` into the scratch arrays. */
  #copySorted(logits: LogitRow, count: number): void {
    this.#reserve(count);
    for (let position = 0; position < count; position++) {
      const id = logits.ids[position]!;
      this.#ids[position] = id;
      this.#logits[position] = logits.values[id]!;
    }
  }

  #loadRow(row: number): LogitRow {
    const { logits } = this.#stepOutput();
    if (logits === null)
      throw new RangeError("logits: expected full logits in this step's output, found none");
    this.#row ??= new LogitRow(this.#vocabSize);
    this.#row.load(logits, row);
    return this.#row;
  }

  #reserve(count: number): void {
    if (this.#weights.length >= count) return;
    this.#weights = new Float64Array(count);
    this.#logits = new Float32Array(count);
    this.#ids = new Int32Array(count);
  }

  #candidateId(at: number): number {
    return this.#idWords[at * 2]!; // little-endian, as every platform of ONNX Runtime's package
  }

  #stepOutput(): StepOutput {
    if (this.#output === null) throw new RangeError("sampler: expected begin(output) before the first pick");
    return this.#output;
  }
}
