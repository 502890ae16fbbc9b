// Measures the quality of a student's dtypes against float32: agreement, teacher-forced on float32's own greedy
// answers, and perplexity on prose.

import { MagdiError } from "../base/errors.ts";
import type { ModelRunner } from "../engine/model-runner.ts";
import { OnnxModelRunner } from "../engine/onnx-model-runner.ts";
import type { DecoderConfig } from "../nn/decoder-config.ts";
import type { Dtype } from "../student/dtype.ts";
import type { Quality } from "../student/manifest.ts";
import type { WrittenDtype } from "../student/write-dtype.ts";
import { encodeChat } from "../text/chat-prompt.ts";
import { openChatTemplate, plainChatTemplate } from "../text/chat-template.ts";
import { openTokenizer } from "../text/tokenizer.ts";

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
  // Some tokenizers have tokens that the embedding has no row for.
  const known = (ids: Int32Array): Int32Array =>
    ids.filter((id) => id < options.config.vocabSize).slice(0, longest);
  const prompts = QUALITY_QUESTIONS.map((content) =>
    known(encodeChat({ tokenizer, chatTemplate }, [{ role: "user", content }])),
  );
  const passages = QUALITY_PASSAGES.map((text) => known(tokenizer.encode(text, { addSpecialTokens: true })));
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
      const agreement = await agreementWith(runner, prompts, answers);
      step(dtype);
      const perplexity = await perplexityOf(runner, passages);
      step(dtype);
      qualities.set(dtype, { ...agreement, perplexity, perplexityFp32 });
    });
  }
  return qualities;
}

/**
 * The most likely tokens after each prompt, one position at a time: [prompts] for each of `count` positions, all prompts in
 * one batch. `historyAt(position)` are the tokens [prompts] that are fed at the position before.
 */
async function* mostLikelyTokens(
  runner: ModelRunner,
  prompts: readonly Int32Array[],
  count: number,
  historyAt: (position: number) => Int32Array,
): AsyncGenerator<number[]> {
  const first: number[] = [];
  for (const [row, prompt] of prompts.entries()) {
    const output = await runner.prefill(prompt, 0, false); // in one chunk: the prompts are short
    first.push(Number(output.candidateIds[0]));
    runner.copyRow(runner.promptRow, row, prompt.length);
  }
  yield first;
  for (let position = 1; position < count; position++) {
    const pastLengths = Int32Array.from(prompts, (prompt) => prompt.length + position - 1);
    const output = await runner.decode(prompts.length, historyAt(position), pastLengths, false);
    yield prompts.map((_, row) => Number(output.candidateIds[row * runner.candidateCount]));
  }
}

/** Greedy answers, as tokens [count][prompts]; end-of-sequence tokens do not end them. */
async function greedyAnswers(
  runner: ModelRunner,
  prompts: readonly Int32Array[],
  count: number,
): Promise<number[][]> {
  const answers: number[][] = [];
  const history = (position: number): Int32Array => Int32Array.from(answers[position - 1]!);
  for await (const tokens of mostLikelyTokens(runner, prompts, count, history)) answers.push(tokens);
  return answers;
}

/** Share of positions at which the runner's most likely token is the reference's, teacher-forced on its answers. */
async function agreementWith(
  runner: ModelRunner,
  prompts: readonly Int32Array[],
  answers: readonly (readonly number[])[],
): Promise<{ agreement: number; positions: number }> {
  let agreed = 0;
  let position = 0;
  const history = (at: number): Int32Array => Int32Array.from(answers[at - 1]!);
  for await (const tokens of mostLikelyTokens(runner, prompts, answers.length, history)) {
    const expected = answers[position++]!;
    for (const [row, token] of tokens.entries()) if (token === expected[row]) agreed += 1;
  }
  const positions = prompts.length * answers.length;
  return { agreement: agreed / positions, positions };
}

/** exp of the mean negative log-likelihood of each token after the first, over all passages. */
async function perplexityOf(runner: ModelRunner, passages: readonly Int32Array[]): Promise<number> {
  let sum = 0;
  let count = 0;
  const longest = Math.max(...passages.map(({ length }) => length));
  for (let position = 0; position + 1 < longest; position++) {
    // Passages that have ended repeat their last token; their output is not read.
    const tokens = Int32Array.from(passages, (passage) => passage[Math.min(position, passage.length - 1)]!);
    const pastLengths = new Int32Array(passages.length).fill(position);
    const { logits, logSumExp } = await runner.decode(passages.length, tokens, pastLengths, true);
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

/** Asked through the student's own chat template; float32's greedy answers are the reference. */
export const QUALITY_QUESTIONS: readonly string[] = [
  "Natalia sold clips to 48 of her friends in April, and then she sold half as many clips in May. How many clips did Natalia sell altogether in April and May? Think step by step.",
  "Is the Great Wall of China longer than the Amazon river? Answer yes or no and explain.",
  "What is the capital of France?",
  "Which is heavier: a kilogram of feathers or a kilogram of iron?\nOptions:\n(A) feathers\n(B) iron\n(C) the same",
  'Write three words that rhyme with "light".',
  "Ünïcödé test — “quotes”, emoji 🙂🚀, 中文字符, and code `x = y[0]`.",
  "1, 1, 2, 3, 5, 8, what comes next?",
  "Explain photosynthesis in one sentence.",
  "If all bloops are razzies and all razzies are lazzies, are all bloops lazzies?",
  "A train travels 60 miles in 1.5 hours. What is its average speed?",
  "Translate to Spanish: The cat sleeps on the chair.",
  "   leading spaces\n\n\nand blank lines\t\ttabs",
];

/** Prose for perplexity, written for this purpose. */
export const QUALITY_PASSAGES: readonly string[] = [
  "The river rises in the hills above the old mill and runs south for thirty miles before it meets the sea. In spring the meltwater makes it loud and brown, and the farmers keep their cattle away from the banks until the water falls.",
  "A train leaves the station at nine in the morning and travels at sixty miles an hour. After two hours it has covered one hundred and twenty miles, and the passengers who wanted to read have long since fallen asleep.",
  "Plants take in carbon dioxide from the air and water from the soil. With the energy of sunlight they turn these into sugar, and they give off the oxygen that animals need to breathe.",
  "She opened the letter slowly, as if it might break. There were only four lines in it, written in a hand that she had not seen for eleven years, and she read them twice before she sat down.",
  "To make bread you need flour, water, salt and yeast. Mix them, knead the dough until it is smooth, let it rise in a warm place until it has doubled in size, and bake it in a hot oven for half an hour.",
  "The council met on Tuesday to discuss the new bridge. Most of the members agreed that it was needed, but they could not agree on who should pay for it, and the meeting ended without a decision.",
  "If a shop sells pencils in boxes of twelve and a school needs three hundred pencils, it must buy twenty-five boxes. If each box costs four dollars, the school will pay one hundred dollars in all.",
  "Sound travels more slowly than light. That is why you see the lightning before you hear the thunder, and why you can tell how far away a storm is by counting the seconds between them.",
];
