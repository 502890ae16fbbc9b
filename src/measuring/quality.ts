// How well a student's quantised graphs agree with its float32 one: teacher-forced agreement on float32's own greedy
// answers, and perplexity on prose. It runs the graphs that serve.

import { MagdiError } from "../base/errors.ts";
import type { ModelRunner } from "../engine/model-runner.ts";
import { OnnxModelRunner } from "../engine/onnx-model-runner.ts";
import type { DecoderConfig } from "../nn/decoder-config.ts";
import type { Dtype } from "../student/dtype.ts";
import type { Quality } from "../student/manifest.ts";
import type { WrittenDtype } from "../student/written-dtype.ts";
import { encodeChat } from "../text/chat-prompt.ts";
import { openChatTemplate, plainChatTemplate } from "../text/chat-template.ts";
import { openTokenizer } from "../text/tokenizer.ts";
import { QUALITY_PASSAGES, QUALITY_QUESTIONS } from "./quality-texts.ts";

/** Tokens of each greedy answer, as in the reference results; fewer where the context is short. */
const ANSWER_TOKENS = 48;

export interface QualityOptions {
  /** Holds the tokenizer's files. */
  readonly folder: string;
  readonly config: DecoderConfig;
  readonly threads: number;
  readonly onProgress?: (stage: string, done: number, total: number) => void;
}

/** Measures each dtype. @throws MagdiError when a graph cannot be run. */
export async function measureQuality(
  reference: WrittenDtype,
  dtypes: readonly WrittenDtype[],
  options: QualityOptions,
): Promise<ReadonlyMap<Dtype, Quality>> {
  const tokenizer = await openTokenizer(options.folder);
  const chatTemplate = (await openChatTemplate(options.folder)) ?? plainChatTemplate;
  const answerTokens = Math.min(ANSWER_TOKENS, Math.floor(options.config.positions / 2));
  const longest = options.config.positions - answerTokens;
  const prompts = QUALITY_QUESTIONS.map((content) =>
    encodeChat({ tokenizer, chatTemplate }, [{ role: "user", content }]).slice(0, longest),
  );
  const passages = QUALITY_PASSAGES.map((text) =>
    tokenizer.encode(text, { addSpecialTokens: true }).slice(0, longest),
  );
  const total = 2 * dtypes.length + 2;
  let done = 0;
  const step = (stage: string): void => options.onProgress?.(`measuring ${stage}`, ++done, total);
  const needed = Math.max(
    ...prompts.map(({ length }) => length + answerTokens),
    ...passages.map(({ length }) => length),
  );
  const withRunner = async <T>(graphPath: string, use: (runner: ModelRunner) => Promise<T>): Promise<T> => {
    const runner = await OnnxModelRunner.open({
      graphPath,
      config: options.config,
      maxRows: Math.max(prompts.length, passages.length),
      contextLength: needed,
      prefillChunkTokens: needed,
      threads: options.threads,
    });
    try {
      return await use(runner);
    } finally {
      runner.close();
    }
  };
  const [answers, perplexityFp32] = await withRunner(reference.engineGraph, async (runner) => {
    const greedy = await greedyAnswers(runner, prompts, answerTokens);
    step(reference.dtype);
    const perplexity = await perplexityOf(runner, passages);
    step(reference.dtype);
    return [greedy, perplexity] as const;
  });
  const qualities = new Map<Dtype, Quality>();
  for (const { dtype, engineGraph } of dtypes) {
    await withRunner(engineGraph, async (runner) => {
      const { agreed, positions } = await agreementWith(runner, prompts, answers);
      step(dtype);
      const perplexity = await perplexityOf(runner, passages);
      step(dtype);
      qualities.set(dtype, { agreement: agreed / positions, positions, perplexity, perplexityFp32 });
    });
  }
  return qualities;
}

/** Fills decode row `row` with a prompt, whole: no prompt here is long. Returns the most likely next token. */
async function fillRow(runner: ModelRunner, row: number, prompt: Int32Array): Promise<number> {
  const output = await runner.prefill(prompt, 0, false);
  const best = Number(output.candidateIds[0]);
  runner.copyRow(runner.promptRow, row, prompt.length);
  return best;
}

/** Greedy answers [prompts][count], all rows in one batch, not ended by end tokens. */
async function greedyAnswers(
  runner: ModelRunner,
  prompts: readonly Int32Array[],
  count: number,
): Promise<number[][]> {
  const answers: number[][] = [];
  for (const [row, prompt] of prompts.entries()) answers.push([await fillRow(runner, row, prompt)]);
  for (let position = 1; position < count; position++) {
    const tokens = Int32Array.from(answers, (answer) => answer[position - 1]!);
    const pasts = Int32Array.from(prompts, (prompt) => prompt.length + position - 1);
    const output = await runner.decode(prompts.length, tokens, pasts, false);
    for (const [row, answer] of answers.entries()) {
      answer.push(Number(output.candidateIds[row * runner.candidateCount]));
    }
  }
  return answers;
}

/** How often the runner's most likely token is the reference's, with the reference's tokens as history. */
async function agreementWith(
  runner: ModelRunner,
  prompts: readonly Int32Array[],
  answers: readonly (readonly number[])[],
): Promise<{ agreed: number; positions: number }> {
  let agreed = 0;
  const count = answers[0]?.length ?? 0;
  for (const [row, prompt] of prompts.entries()) {
    if ((await fillRow(runner, row, prompt)) === answers[row]?.[0]) agreed += 1;
  }
  for (let position = 1; position < count; position++) {
    const tokens = Int32Array.from(answers, (answer) => answer[position - 1]!);
    const pasts = Int32Array.from(prompts, (prompt) => prompt.length + position - 1);
    const output = await runner.decode(prompts.length, tokens, pasts, false);
    for (const [row, answer] of answers.entries()) {
      if (Number(output.candidateIds[row * runner.candidateCount]) === answer[position]) agreed += 1;
    }
  }
  return { agreed, positions: prompts.length * count };
}

/** exp of the mean negative log-likelihood of each token after the first, over all passages. */
async function perplexityOf(runner: ModelRunner, passages: readonly Int32Array[]): Promise<number> {
  let sum = 0;
  let count = 0;
  const longest = Math.max(...passages.map(({ length }) => length));
  for (let position = 0; position + 1 < longest; position++) {
    // Passages that have ended repeat their last token; what their rows compute is not read.
    const tokens = Int32Array.from(passages, (passage) => passage[Math.min(position, passage.length - 1)]!);
    const pasts = new Int32Array(passages.length).fill(position);
    const { logits, logSumExp } = await runner.decode(passages.length, tokens, pasts, true);
    for (const [row, passage] of passages.entries()) {
      const next = passage[position + 1];
      if (next === undefined || logits === null) continue;
      sum += logSumExp[row]! - logits[row * runner.vocabSize + next]!;
      count += 1;
    }
  }
  const perplexity = Math.exp(sum / count);
  if (Number.isFinite(perplexity)) return perplexity;
  throw new MagdiError(
    "MAGDI_RUNTIME",
    `expected a perplexity on plain prose, found ${perplexity}; are the weights sound?`,
  );
}
