// Picks the next token of one row of a step's output. It knows a row's numbers, a sample's parameters and its
// generator, nothing of rows' owners, text or time.

import { MagdiError } from "../errors.ts";
import type { StepOutput } from "./model-runner.ts";
import { RankedLogits } from "./ranked-logits.ts";
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
  readonly #logits: Float32Array;
  readonly #ids: Int32Array;
  #weights: Float64Array;
  /** Made when a request first needs whole rows. */
  #ranked: RankedLogits | null = null;

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
    if (params.temperature === 0) return this.#ids[0]!;
    return this.#ids[this.#draw(this.#logits, count, params, random)]!;
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
    const ranked = this.#loadRow(row);
    ranked.rank();
    const found = Math.min(count, ranked.take(count));
    for (let position = 0; position < found; position++) {
      const tokenId = ranked.ids[position]!;
      top.push({ tokenId, logprob: ranked.values[tokenId]! - logSumExp });
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
    const ranked = this.#loadRow(row);
    const { values } = ranked;
    for (const [id, bias] of params.logitBias) values[id] = values[id]! + bias;
    for (const id of masked) values[id] = Number.NEGATIVE_INFINITY;
    if (params.temperature === 0) return highest(values);
    ranked.rank();
    if (params.topK === 0 || params.topK >= this.#vocabSize) return this.#drawOfAll(ranked, params, random);
    const count = Math.min(params.topK, ranked.take(params.topK));
    this.#reserve(count);
    // The weights array serves as both: each logit is read before its weight replaces it.
    for (let position = 0; position < count; position++) {
      this.#weights[position] = values[ranked.ids[position]!]!;
    }
    return ranked.ids[this.#draw(this.#weights, count, params, random)]!;
  }

  /** A position of [0, count) drawn from `count` ordered logits, filtered by temperature, top-p and min-p. */
  #draw(
    logits: Float32Array | Float64Array,
    count: number,
    params: FilterParams,
    random: RandomSource,
  ): number {
    const weights = this.#weights;
    const best = logits[0]!;
    let total = 0;
    for (let position = 0; position < count; position++) {
      const weight = Math.exp((logits[position]! - best) / params.temperature);
      weights[position] = weight;
      total += weight;
    }
    let kept = count;
    if (params.topP < 1) {
      const goal = params.topP * total;
      let reached = weights[0]!;
      kept = 1;
      while (kept < count && reached < goal) reached += weights[kept++]!;
    }
    while (kept > 1 && weights[kept - 1]! < params.minP) kept--;
    let mass = 0;
    for (let position = 0; position < kept; position++) mass += weights[position]!;
    const threshold = random.nextFloat() * mass;
    let cumulative = 0;
    for (let position = 0; position < kept; position++) {
      cumulative += weights[position]!;
      if (threshold < cumulative) return position;
    }
    return kept - 1;
  }

  /** A token drawn with no top-k: the row is put in order only as far as top-p, min-p or the draw itself reach. */
  #drawOfAll(ranked: RankedLogits, params: FilterParams, random: RandomSource): number {
    const { values, ids, vocabSize } = ranked;
    const { temperature, minP } = params;
    let available = ranked.take(64);
    const best = values[ids[0]!]!;
    let total = 0;
    for (let id = 0; id < vocabSize; id++) total += Math.exp((values[id]! - best) / temperature);

    let mass = total;
    if (params.topP < 1 || minP > 0) {
      const goal = params.topP < 1 ? params.topP * total : Number.POSITIVE_INFINITY;
      mass = 1; // the weight of the best token
      for (let position = 1; position < vocabSize && mass < goal; position++) {
        if (position === available) available = ranked.take(available * 8);
        const weight = Math.exp((values[ids[position]!]! - best) / temperature);
        if (weight < minP) break;
        mass += weight;
      }
    }
    const threshold = random.nextFloat() * mass;
    let cumulative = 0;
    let last = 0;
    for (let position = 0; position < vocabSize; position++) {
      if (position === available) available = ranked.take(available * 8);
      const weight = Math.exp((values[ids[position]!]! - best) / temperature);
      if (weight === 0) break;
      last = position;
      cumulative += weight;
      if (threshold < cumulative || cumulative >= mass) break;
    }
    return ids[last]!;
  }

  #loadRow(row: number): RankedLogits {
    const { logits } = this.#stepOutput();
    if (logits === null)
      throw new RangeError("logits: expected whole rows in this step's output, found none");
    this.#ranked ??= new RankedLogits(this.#vocabSize);
    this.#ranked.load(logits, row);
    return this.#ranked;
  }

  #reserve(count: number): void {
    if (this.#weights.length < count) this.#weights = new Float64Array(count);
  }

  #candidateId(at: number): number {
    return this.#idWords[at * 2]!; // little-endian, as every platform of ONNX Runtime's package
  }

  #stepOutput(): StepOutput {
    if (this.#output === null) throw new RangeError("sampler: expected begin(output) before the first pick");
    return this.#output;
  }
}

/** The lowest id among the highest values. */
function highest(values: Float32Array): number {
  let best = 0;
  for (let id = 1; id < values.length; id++) if (values[id]! > values[best]!) best = id;
  return best;
}
