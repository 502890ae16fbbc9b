// Sampling parameters of a question; the defaults are those of the paper's evaluation.

import type { Task } from "../answers/task.ts";
import { MagdiError } from "../base/errors.ts";
import type { SamplingParams } from "../engine/request.ts";

export const DEFAULT_TOP_P = 0.9;
export const DEFAULT_TOP_K = 50;
const DEFAULT_MAX_TOKENS = 300;
/** The paper's limit for MATH, whose questions are in LaTeX. */
const LATEX_MAX_TOKENS = 700;
const DEFAULT_VOTING_TEMPERATURE = 0.7;
const LATEX = /\\[a-zA-Z([]|\$[^$\n]{1,200}\$/;

/** A question's sampling fields, all optional. */
export interface SamplingChoices {
  /** Default 0.7 for several samples, 0 for one. */
  readonly temperature?: number | undefined;
  readonly topP?: number | undefined;
  /** 0 means all tokens. */
  readonly topK?: number | undefined;
  /** Maximum tokens of each sample. Default 300, or 700 for mathematics in LaTeX. */
  readonly maxTokens?: number | undefined;
  /** The same seed gives the same samples. Default: a random one, which the record reports. */
  readonly seed?: number | undefined;
}

/** @throws MagdiError MAGDI_BAD_REQUEST (param "temperature") for several samples at temperature 0 */
export function questionSampling(
  { task, question, samples }: { readonly task: Task; readonly question: string; readonly samples: number },
  { temperature, topP = DEFAULT_TOP_P, topK = DEFAULT_TOP_K, maxTokens, seed }: SamplingChoices,
): SamplingParams {
  return {
    temperature: samplingTemperature(samples, temperature),
    topK,
    topP,
    minP: 0,
    maxTokens: maxTokens ?? defaultMaxTokens(task, question),
    minTokens: 0,
    ignoreEos: false,
    stop: [],
    seed: seed ?? randomSeed(),
    topLogprobs: null,
    logitBias: new Map(),
  };
}

export function defaultMaxTokens(task: Task, question: string): number {
  return task === "math" && LATEX.test(question) ? LATEX_MAX_TOKENS : DEFAULT_MAX_TOKENS;
}

/**
 * The requested temperature. Default: 0.7 for several samples, 0 for one.
 * @throws MagdiError MAGDI_BAD_REQUEST (param "temperature") for several samples at temperature 0
 */
export function samplingTemperature(samples: number, asked?: number): number {
  if (samples > 1 && asked === 0) {
    throw badField(
      "temperature",
      `expected more than 0 with ${samples} samples, found 0: all samples would be the same`,
    );
  }
  return asked ?? (samples > 1 ? DEFAULT_VOTING_TEMPERATURE : 0);
}

/** A random unsigned 53-bit integer. */
export function randomSeed(): number {
  const bits = crypto.getRandomValues(new BigUint64Array(1))[0]!; // an array of one
  return Number(bits >> 11n);
}

/** A MAGDI_BAD_REQUEST about one field of a request. */
export function badField(param: string, message: string): MagdiError {
  return new MagdiError("MAGDI_BAD_REQUEST", `${param}: ${message}`, { param });
}
