// Picks the next token of one row of a step's output. It knows a row's numbers, a sample's parameters and its
// generator, nothing of rows' owners, text or time.

import { MagdiError } from "../base/errors.ts";
import { expNonPositive } from "./exponential.ts";
import { LogitRow } from "./logit-row.ts";
import type { StepOutput } from "./model-runner.ts";
import type { SamplingParams, TokenLogprob } from "./request.ts";

/** Where a sample's random numbers come from: one a sampled token, none in greedy decoding. */
export interface RandomSource {
  /** The next number of [0, 1). */
  nextFloat(): number;
}

export type FilterParams = Pick<
  SamplingParams,
  "temperature" | "topK" | "topP" | "minP" | "logitBias" | "topLogprobs"
>;

/** Whether a row's K candidates are not enough for an exact pick, with `maskedCount` end-of-sequence ids masked. */
export function needsFullLogits(params: FilterParams, candidateCount: number, maskedCount: number): boolean {
  if (params.logitBias.size > 0 || (params.topLogprobs ?? 0) > candidateCount) return true;
  const wanted = params.temperature === 0 ? 1 : params.topK;
  return wanted === 0 || wanted + maskedCount > candidateCount;
}

/** Share of the most likely token's weight that top-p seldom goes below: what is tried first. */
const LIKELY_FLOOR = 1e-4;

/**
 * Filters in the order of Transformers' processors and warpers: bias, end-of-sequence mask, temperature, top-k,
 * top-p (of the distribution that top-k left, renormalised), min-p; each keeps at least one token. Tokens stand in
 * one order everywhere, highest logit first and equal ones by lowest id, so that a row's candidates and its full
 * logits give the same token for the same random number. (Transformers' top-k also keeps tokens that equal the
 * k-th; this one keeps exactly k.)
 */
export class Sampler {
  readonly #vocabSize: number;
  readonly #candidateCount: number;
  #output: StepOutput | null = null;
  #rawIds: BigInt64Array | null = null;
  /** The candidate ids' 32-bit halves: reading a BigInt64Array makes a heap object of each element. */
  #idWords: Int32Array = new Int32Array(0);
  /** The tokens to choose among, in order: logits, ids and, once filtered, weights. */
  #logits: Float32Array;
  #ids: Int32Array;
  #weights: Float64Array;
  /** Made when a request first needs whole rows. */
  #row: LogitRow | null = null;

  constructor(vocabSize: number, candidateCount: number) {
    this.#vocabSize = vocabSize;
    this.#candidateCount = candidateCount;
    this.#logits = new Float32Array(candidateCount);
    this.#ids = new Int32Array(candidateCount);
    this.#weights = new Float64Array(candidateCount);
  }

  /** Takes up a step's output; what pick and the log-probabilities read until the next begin. */
  begin(output: StepOutput): void {
    this.#output = output;
    if (this.#rawIds !== output.candidateIds) {
      const ids = output.candidateIds;
      this.#rawIds = ids;
      this.#idWords = new Int32Array(ids.buffer, ids.byteOffset, ids.length * 2);
    }
  }

  /**
   * The token that `params` choose in output row `row`; `masked` ids cannot be chosen. Draws one number from
   * `random` unless temperature is 0. Throws MAGDI_RUNTIME when the row holds NaN.
   */
  pick(row: number, params: FilterParams, masked: readonly number[], random: RandomSource): number {
    const output = this.#stepOutput();
    if (!Number.isFinite(output.logSumExp[row])) {
      throw new MagdiError(
        "MAGDI_RUNTIME",
        `logits: expected finite numbers, found a log-sum of ${output.logSumExp[row]} in row ${row}; ` +
          "the student's weights or its arithmetic are broken for this prompt",
      );
    }
    if (needsFullLogits(params, this.#candidateCount, masked.length)) {
      return this.#pickOfRow(row, params, masked, random);
    }
    const wanted = params.temperature === 0 ? 1 : params.topK;
    const count = this.#loadCandidates(row, wanted, masked);
    return params.temperature === 0 ? this.#ids[0]! : this.#draw(count, params, random);
  }

  /** Natural log of the token's probability in output row `row`, before any filter. */
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

  /** The `count` most likely tokens of output row `row`, before any filter. */
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
    const found = Math.min(count, logits.atLeast(logits.reachedBy(count)));
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
      // Equal logits come by lowest id from the graph's TopK; a device that orders them otherwise changes nothing.
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

  /** A pick over the whole row: bias, large or no top-k. */
  #pickOfRow(row: number, params: FilterParams, masked: readonly number[], random: RandomSource): number {
    const { topK, topP, minP, temperature } = params;
    const logits = this.#loadRow(row);
    const { values, vocabSize } = logits;
    for (const [id, bias] of params.logitBias) values[id] = values[id]! + bias;
    for (const id of masked) values[id] = Number.NEGATIVE_INFINITY;
    const best = logits.scan();
    if (temperature === 0) return values.indexOf(best);
    if (topK > 0 && topK < vocabSize) {
      const count = Math.min(topK, logits.atLeast(logits.reachedBy(topK)));
      this.#takeUp(logits, count);
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
      // Nothing is filtered, so no order is needed: the draw goes by id.
      if (topP === 1 && minP === 0) return this.#choose(vocabSize, total, random);
    }
    // Tokens lighter than this cannot be kept: all of them together are less than what top-p leaves out.
    const exactFloor = Math.max(minP, ((1 - topP) * total) / vocabSize);
    let count = 0;
    let kept = 0;
    for (const floor of [Math.max(exactFloor, LIKELY_FLOOR), exactFloor]) {
      const floorLogit = best + temperature * Math.log(floor);
      count = logits.atLeast(floorLogit - 1e-6 * (1 + Math.abs(floorLogit)));
      this.#takeUp(logits, count);
      kept = this.#keep(count, params, total);
      if (kept < count || floor === exactFloor) break;
    }
    return this.#drawKept(kept, random);
  }

  /** A token drawn from the `count` that are taken up, filtered by temperature, top-p and min-p. */
  #draw(count: number, params: FilterParams, random: RandomSource): number {
    return this.#drawKept(this.#keep(count, params, null), random);
  }

  /** Weighs the `count` tokens that are taken up, and returns how many of them top-p and min-p keep; top-p is a share
   * of `total`, or, with null, of their own weight. */
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

  /** A position of [0, count), each as likely as its share of `mass`, the sum of the weights. Draws one number. */
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

  /** Takes up the first `count` tokens that `logits` has put in order. */
  #takeUp(logits: LogitRow, count: number): void {
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
      throw new RangeError("logits: expected whole rows in this step's output, found none");
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
