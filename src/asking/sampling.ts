// How a question's samples are drawn where nobody says otherwise: the settings of the paper's evaluation.

import { randomBytes } from "node:crypto";
import type { Task } from "../answers/task.ts";
import { MagdiError } from "../base/errors.ts";
import type { SamplingParams } from "../engine/request.ts";

export const DEFAULT_TOP_P = 0.9;
export const DEFAULT_TOP_K = 50;
const DEFAULT_MAX_TOKENS = 300;
/** The paper's bound for MATH, whose questions are written in LaTeX. */
const LATEX_MAX_TOKENS = 700;
const DEFAULT_VOTING_TEMPERATURE = 0.7;
const LATEX = /\\[a-zA-Z([]|\$[^$\n]{1,200}\$/;

/** What may be said of a question's samples; what is left out is the default. */
export interface SamplingChoices {
  /** Default 0.7 for several samples, 0 for one. */
  readonly temperature?: number | undefined;
  readonly topP?: number | undefined;
  /** 0 keeps all tokens. */
  readonly topK?: number | undefined;
  /** Tokens of each sample. Default 300, and 700 for mathematics written in LaTeX. */
  readonly maxTokens?: number | undefined;
  /** The same seed gives the same samples. Default: a random one, reported back. */
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
 * The temperature that was asked for, else 0.7 for several samples and 0 for one.
 * @throws MagdiError MAGDI_BAD_REQUEST (param "temperature") for several samples at temperature 0
 */
export function samplingTemperature(samples: number, asked?: number): number {
  if (samples > 1 && asked === 0) {
    throw new MagdiError(
      "MAGDI_BAD_REQUEST",
      `temperature: expected more than 0 with ${samples} samples, found 0: all samples would be the same`,
      { param: "temperature" },
    );
  }
  return asked ?? (samples > 1 ? DEFAULT_VOTING_TEMPERATURE : 0);
}

/** An unsigned 53-bit integer from the system's randomness. */
export function randomSeed(): number {
  return Number(randomBytes(8).readBigUInt64BE() >> 11n);
}
