// The settings of an evaluation that decide its numbers: what is asked, how samples are drawn and voted on. How fast
// it runs is no part of them.

import { z } from "zod";
import type { AskedQuestion } from "../asking/question.ts";
import { DEFAULT_TOP_K, DEFAULT_TOP_P, defaultMaxTokens, samplingTemperature } from "../asking/sampling.ts";
import { MagdiError } from "../base/errors.ts";
import { ADAPTIVE_THRESHOLD } from "../voting/early-stop.ts";
import type { Question } from "./question.ts";

export const settingsSchema = z.strictObject({
  samples: z.number().int().min(1),
  temperature: z.number().min(0).max(2),
  top_p: z.number().gt(0).max(1),
  top_k: z.number().int().min(0),
  /** Tokens of each sample; null for 300, and 700 where a question is written in LaTeX. */
  max_tokens: z.number().int().min(1).nullable(),
  seed: z.number().int().min(0),
  vote: z.enum(["majority", "confidence"]),
  adaptive_threshold: z.number().gt(0.5).lt(1),
  /** Which questions: of a use, at most so many of each data set, in which benchmark's name. */
  use: z.string(),
  limit: z.number().int().min(1).nullable(),
  dataset: z.string().nullable(),
  on_bad_line: z.enum(["stop", "skip"]),
});

export type EvalSettings = z.output<typeof settingsSchema>;

/**
 * Settings with the defaults of the paper's evaluation.
 * @throws MagdiError MAGDI_BAD_CONFIG for samples at temperature 0, and for what no report may say
 */
export function evalSettings(asked: Partial<EvalSettings>): EvalSettings {
  const samples = asked.samples ?? 1;
  const settings = {
    samples,
    top_p: DEFAULT_TOP_P,
    top_k: DEFAULT_TOP_K,
    max_tokens: null,
    seed: 0,
    vote: "majority",
    adaptive_threshold: ADAPTIVE_THRESHOLD,
    use: "eval",
    limit: null,
    dataset: null,
    on_bad_line: "stop",
    ...asked,
    temperature: samplingTemperature(samples, asked.temperature),
  };
  const { data, error } = settingsSchema.safeParse(settings);
  if (data !== undefined) return data;
  const [issue] = error.issues;
  const name = String(issue?.path[0]);
  throw new MagdiError(
    "MAGDI_BAD_CONFIG",
    `--${name.replaceAll("_", "-")}: ${issue?.message}, found ${Reflect.get(settings, name)}`,
  );
}

export function maxTokensOf(settings: EvalSettings, { task, question }: Question): number {
  return settings.max_tokens ?? defaultMaxTokens(task, question);
}

/** How a student in this process is asked one question: as a server makes it of a request with these settings. */
export function askedOf(settings: EvalSettings, question: Question, seed: number): AskedQuestion {
  return {
    ...question,
    samples: settings.samples,
    temperature: settings.temperature,
    topP: settings.top_p,
    topK: settings.top_k,
    maxTokens: settings.max_tokens ?? undefined,
    seed,
    vote: settings.vote,
    earlyStop: "off",
  };
}
