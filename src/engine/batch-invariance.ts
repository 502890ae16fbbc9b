// Probes a runner's kernels for batch invariance: whether a row's results are the same bits whatever else is in the
// batch, and however its prompt is cut into chunks.

import type { ModelRunner } from "./model-runner.ts";

/** Length of the prompt that is prefilled whole and in chunks of 2, 16 and 16. */
const PROMPT_TOKENS = 34;

/** Fewest logits to compare: a different order of summation often rounds to the same bits, more so for short sums. */
const MIN_LOGITS = 100_000;
const MIN_TOKENS = 4;
const MAX_TOKENS = 32;

/** Whether a row decoded alone has the same logits, bit for bit, as in a batch of two. */
export async function isBatchInvariant(runner: ModelRunner): Promise<boolean> {
  const { vocabSize } = runner;
  const past = Int32Array.of(0, 0);
  const tokens = Math.max(MIN_TOKENS, Math.min(MAX_TOKENS, Math.ceil(MIN_LOGITS / vocabSize)));
  for (let number = 1; number <= tokens; number++) {
    const token = new Int32Array(2).fill((7919 * number) % vocabSize);
    const alone = (await runner.decode(1, token, past, true)).logits?.slice(0, vocabSize);
    const beside = (await runner.decode(2, token, past, true)).logits?.slice(0, vocabSize);
    if (alone === undefined || beside === undefined || !sameNumbers(alone, beside)) return false;
  }
  return true;
}

/** A runner whose KV cache can be read. */
export interface ProbedRunner extends ModelRunner {
  /** All keys and values of the prompt row's first `count` tokens. */
  readPromptRow(count: number): Promise<Float32Array>;
}

/** Whether a prompt in chunks of even lengths has the same keys, values and last logits, bit for bit, as in one chunk. */
export async function isChunkInvariant(runner: ProbedRunner): Promise<boolean> {
  const most = Math.min(PROMPT_TOKENS, runner.prefillChunkTokens, runner.contextLength);
  const length = most - (most % 2);
  const prompt = Int32Array.from({ length }, (_, at) => (7919 * at + 13) % runner.vocabSize);
  const whole = await prefilled(runner, prompt, [length]);
  const pieces = await prefilled(runner, prompt, [2, 2 * Math.ceil(length / 4), length]);
  return whole.every((part, at) => sameNumbers(part, pieces[at]!));
}

/** The last logits [V], and all keys and values. */
async function prefilled(
  runner: ProbedRunner,
  prompt: Int32Array,
  borders: readonly number[],
): Promise<readonly [Float32Array, Float32Array]> {
  let past = 0;
  let logits = new Float32Array();
  for (const border of borders) {
    if (border === past) continue;
    const output = await runner.prefill(prompt.subarray(past, border), past, border === prompt.length);
    logits = output.logits?.slice(0, runner.vocabSize) ?? logits;
    past = border;
  }
  return [logits, await runner.readPromptRow(prompt.length)];
}

function sameNumbers(a: Float32Array, b: Float32Array): boolean {
  return a.length === b.length && a.every((value, index) => value === b[index]);
}
