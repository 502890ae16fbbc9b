// Finds out what a runner's kernels let show of what ran with a row: how many rows, and how its prompt was cut. It knows
// nothing of which kernels these are; it compares bits.

import type { ModelRunner } from "./model-runner.ts";

/** Length of the prompt that is computed whole and in pieces of 2, 16 and 16. */
const CUT_PROMPT_TOKENS = 34;

/** Logits that are compared, at least: other sums often round to the same bits, the more so where sums are short. */
const COMPARED_LOGITS = 100_000;
const LEAST_TOKENS = 4;
const MOST_TOKENS = 32;

/** Whether tokens decoded alone have the logits, bit for bit, that they have beside another row. */
export async function aloneIsAsBeside(runner: ModelRunner): Promise<boolean> {
  const { vocabSize } = runner;
  const past = Int32Array.of(0, 0);
  const tokens = Math.max(LEAST_TOKENS, Math.min(MOST_TOKENS, Math.ceil(COMPARED_LOGITS / vocabSize)));
  for (let number = 1; number <= tokens; number++) {
    const token = new Int32Array(2).fill((7919 * number) % vocabSize);
    const alone = (await runner.decode(1, token, past, true)).logits?.slice(0, vocabSize);
    const beside = (await runner.decode(2, token, past, true)).logits?.slice(0, vocabSize);
    if (alone === undefined || beside === undefined || !sameNumbers(alone, beside)) return false;
  }
  return true;
}

/** A runner that shows what it keeps of a prompt. */
export interface ProbedRunner extends ModelRunner {
  /** All keys and values of the prompt row's first `count` tokens. */
  promptNumbers(count: number): Promise<Float32Array>;
}

/** Whether a prompt in even pieces has the keys, values and last logits, bit for bit, that it has as a whole. */
export async function piecesAreAsWhole(runner: ProbedRunner): Promise<boolean> {
  const most = Math.min(CUT_PROMPT_TOKENS, runner.prefillChunkTokens, runner.contextLength);
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
  return [logits, await runner.promptNumbers(prompt.length)];
}

function sameNumbers(a: Float32Array, b: Float32Array): boolean {
  return a.length === b.length && a.every((value, index) => value === b[index]);
}
