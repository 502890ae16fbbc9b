// The settings of an evaluation that decide its results; what only decides its speed is not among them.

import { z } from "zod";
import { DEFAULT_TOP_K, DEFAULT_TOP_P, defaultMaxTokens, samplingTemperature } from "../asking/sampling.ts";
import { number, numberThat, oneOf, text, wholeNumber } from "../base/settings/kinds.ts";
import { readSettings } from "../base/settings/read-settings.ts";
import { flagOf } from "../base/settings/setting.ts";
import { ADAPTIVE_THRESHOLD } from "../voting/early-stop.ts";
import type { Question } from "./question-formats.ts";

/** Of waves that are only replayed. Three that agree settle five. */
export const DEFAULT_WAVE = 3;

/** A report has all of these; flags of magdi eval may leave some out, see evalSettings. */
export const settingsSchema = z.strictObject({
  samples: wholeNumber(1).describe("samples of each question (default 1: greedy)"),
  temperature: number(0, 2).describe("default 0.7 for several samples, 0 for one"),
  top_p: numberThat("a number above 0 and at most 1", (share) => share > 0 && share <= 1).describe(
    `default ${DEFAULT_TOP_P}`,
  ),
  top_k: wholeNumber(0).describe(`default ${DEFAULT_TOP_K}`),
  max_tokens: wholeNumber(1).nullable().describe("per sample (default 300, or 700 for questions in LaTeX)"),
  seed: wholeNumber(0).describe("default 0; equal seeds give equal files"),
  vote: oneOf(["majority", "confidence"]).describe("majority (default) or confidence"),
  adaptive_threshold: numberThat(
    "a number above 0.5 and below 1",
    (share) => share > 0.5 && share < 1,
  ).describe(`certainty at which adaptive stopping would stop (default ${ADAPTIVE_THRESHOLD})`),
  wave: wholeNumber(1).describe("samples that stopping in waves would start at a time (default 3)"),
  use: text("a use", "NAME").describe(
    "take records with this use (default eval, which includes records without one), or all",
  ),
  limit: wholeNumber(1).nullable().describe("at most N questions of each data set, evenly spread"),
  dataset: text("a benchmark", "NAME")
    .nullable()
    .describe("the benchmark, if neither the records nor the file's name tell it"),
  on_bad_line: oneOf(["stop", "skip"]).describe("stop (default) or skip"),
});

export type EvalSettings = z.output<typeof settingsSchema>;

/**
 * Settings with the defaults of the paper's evaluation.
 * @throws MagdiError MAGDI_BAD_CONFIG for several samples at temperature 0, and for values out of range
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
    wave: DEFAULT_WAVE,
    use: "eval",
    limit: null,
    dataset: null,
    on_bad_line: "stop",
    ...asked,
    temperature: samplingTemperature(samples, asked.temperature),
  };
  return readSettings(settingsSchema, [{ nameOf: (key) => `--${flagOf(key)}`, values: settings }]);
}

export function maxTokensOf(settings: EvalSettings, { task, question }: Question): number {
  return settings.max_tokens ?? defaultMaxTokens(task, question);
}
