// Finds out what a runner's kernels let show of what ran with a row: how many rows, and how its prompt was cut. It knows
// nothing of which kernels these are; it compares bits.

import type { ModelRunner } from "./model-runner.ts";

/** Length of the prompt that is computed whole and in pieces of 2, 16 and 16. */
const CUT_PROMPT_TOKENS = 34;

/** Whether a token decoded alone has the logits, bit for bit, that it has beside another row. */
export async function aloneIsAsBeside(runner: ModelRunner): Promise<boolean> {
  const { vocabSize } = runner;
  const token = Int32Array.of(1 % vocabSize, 1 % vocabSize);
  const past = Int32Array.of(0, 0);
  const alone = (await runner.decode(1, token, past, true)).logits?.slice(0, vocabSize);
  const beside = (await runner.decode(2, token, past, true)).logits?.slice(0, vocabSize);
  return alone !== undefined && beside !== undefined && sameNumbers(alone, beside);
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
