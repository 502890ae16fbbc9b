// Measures the quality of a student's dtypes against float32: agreement, teacher-forced on float32's own greedy
// answers, perplexity on prose, and divergence on the calibration texts.

import { MagdiError } from "../base/errors.ts";
import type { ModelRunner } from "../engine/model-runner.ts";
import { OnnxModelRunner } from "../engine/onnx-model-runner.ts";
import type { DecoderConfig } from "../nn/decoder-config.ts";
import { CALIBRATION_TEXTS } from "../student/calibration.ts";
import type { MeasuredGraph, QualityMeter } from "../student/quality-meter.ts";
import { encodeChat } from "../text/chat-prompt.ts";
import { openChatTemplate, plainChatTemplate } from "../text/chat-template.ts";
import { openTokenizer } from "../text/tokenizer.ts";
import { divergenceFrom, expectationsOf } from "./divergence.ts";
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

/** Tokens of each text that divergence is measured on. */
const TEXT_TOKENS = 48;

/** A meter by the reference, which is run when it is first needed. @throws MagdiError when a graph cannot be run. */
export async function openQualityMeter(
  reference: MeasuredGraph,
  options: QualityOptions,
): Promise<QualityMeter> {
  const { config, onProgress } = options;
  const tokenizer = await openTokenizer(options.folder);
  const chatTemplate = (await openChatTemplate(options.folder)) ?? plainChatTemplate;
  const answerTokens = Math.min(ANSWER_TOKENS, Math.floor(config.positions / 2));
  const longest = config.positions - answerTokens;
  // Some tokenizers have tokens that the embedding has no row for.
  const known = (ids: Int32Array): Int32Array => ids.filter((id) => id < config.vocabSize).slice(0, longest);
  const encoded = (text: string): Int32Array => known(tokenizer.encode(text, { addSpecialTokens: true }));
  const prompts = QUALITY_QUESTIONS.map((content) =>
    known(encodeChat({ tokenizer, chatTemplate }, [{ role: "user", content }])),
  );
  const passages = QUALITY_PASSAGES.map(encoded);
  const texts = CALIBRATION_TEXTS.map((text) => encoded(text).slice(0, TEXT_TOKENS)).filter(
    ({ length }) => length > 0,
  );
  const needed = Math.max(
    ...prompts.map(({ length }) => length + answerTokens),
    ...[...passages, ...texts].map(({ length }) => length),
  );
  const withRunner = async <T>(graphPath: string, use: (runner: ModelRunner) => Promise<T>): Promise<T> => {
    const runner = await OnnxModelRunner.open({
      graphPath,
      config,
      maxRows: Math.max(prompts.length, passages.length, texts.length),
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
  const answersOfReference = once(() =>
    withRunner(reference.engineGraph, async (runner) => {
      const greedy = await greedyAnswers(runner, prompts, answerTokens);
      onProgress?.(`measuring ${reference.dtype}`, 1, 2);
      const perplexity = await perplexityOf(runner, passages);
      onProgress?.(`measuring ${reference.dtype}`, 2, 2);
      return { greedy, perplexity };
    }),
  );
  const expectations = once(() =>
    withRunner(reference.engineGraph, (runner) => expectationsOf(runner, texts)),
  );
  return {
    async qualityOf({ dtype, engineGraph }) {
      const { greedy, perplexity: perplexityFp32 } = await answersOfReference();
      return withRunner(engineGraph, async (runner) => {
        const agreement = await agreementWith(runner, prompts, greedy);
        onProgress?.(`measuring ${dtype}`, 1, 2);
        const perplexity = await perplexityOf(runner, passages);
        onProgress?.(`measuring ${dtype}`, 2, 2);
        return { ...agreement, perplexity, perplexityFp32 };
      });
    },
    async divergenceOf(engineGraph) {
      const expected = await expectations();
      return withRunner(engineGraph, (runner) => divergenceFrom(expected, runner));
    },
  };
}

/** `make`, called at most once. */
function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | null = null;
  return () => {
    made ??= make();
    return made;
  };
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
