// How far a student's next tokens are from float32's: the Kullback-Leibler divergence on given texts.

import type { ModelRunner } from "../engine/model-runner.ts";

/** What float32 expects at each position of each text: its likeliest tokens with their probabilities. */
export interface Expectations {
  readonly texts: readonly Int32Array[];
  /** By position, then [texts · candidates]. */
  readonly ids: readonly BigInt64Array[];
  readonly probabilities: readonly Float32Array[];
}

/** Runs all texts in one batch, one position at a time; `use` gets each position's step. Texts that have ended repeat their
 * last token. */
async function forEachPosition(
  runner: ModelRunner,
  texts: readonly Int32Array[],
  use: (position: number, step: Awaited<ReturnType<ModelRunner["decode"]>>) => void,
): Promise<void> {
  const longest = Math.max(...texts.map(({ length }) => length));
  for (let position = 0; position < longest; position++) {
    const tokens = Int32Array.from(texts, (text) => text[Math.min(position, text.length - 1)]!);
    const pastLengths = new Int32Array(texts.length).fill(position);
    use(position, await runner.decode(texts.length, tokens, pastLengths, true));
  }
}

/** float32's expectations; texts are at least a token long. */
export async function expectationsOf(
  runner: ModelRunner,
  texts: readonly Int32Array[],
): Promise<Expectations> {
  const ids: BigInt64Array[] = [];
  const probabilities: Float32Array[] = [];
  const count = runner.candidateCount;
  await forEachPosition(runner, texts, (_, { candidateIds, candidateLogits, logSumExp }) => {
    ids.push(candidateIds.slice(0, texts.length * count));
    const logits = candidateLogits.subarray(0, texts.length * count);
    probabilities.push(logits.map((logit, at) => Math.exp(logit - logSumExp[Math.floor(at / count)]!)));
  });
  return { texts, ids, probabilities };
}

/** The mean over all positions of KL(float32 ‖ runner), in nats; all tokens beside float32's likeliest count as one. */
export async function divergenceFrom(expected: Expectations, runner: ModelRunner): Promise<number> {
  const { texts, ids, probabilities } = expected;
  const count = runner.candidateCount;
  let sum = 0;
  let positions = 0;
  await forEachPosition(runner, texts, (position, { logits, logSumExp }) => {
    for (const [row, text] of texts.entries()) {
      if (position >= text.length || logits === null) continue;
      let [rest, ownRest] = [1, 1];
      for (let at = row * count; at < (row + 1) * count; at++) {
        const probability = probabilities[position]![at]!;
        const own = logits[row * runner.vocabSize + Number(ids[position]![at])]! - logSumExp[row]!;
        if (probability > 0) sum += probability * (Math.log(probability) - own);
        rest -= probability;
        ownRest -= Math.exp(own);
      }
      if (rest > SMALLEST_REST) sum += rest * Math.log(rest / Math.max(ownRest, SMALLEST_REST));
      positions += 1;
    }
  });
  return sum / positions;
}

/** Below this what is left of 1 is rounding error. */
const SMALLEST_REST = 1e-6;
