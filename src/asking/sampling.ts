// How a question's samples are drawn where nobody says otherwise: the settings of the paper's evaluation. It knows no
// engine and no request.

import type { Task } from "../answers/task.ts";
import { MagdiError } from "../base/errors.ts";

export const DEFAULT_TOP_P = 0.9;
export const DEFAULT_TOP_K = 50;
const DEFAULT_MAX_TOKENS = 300;
/** The paper's bound for MATH, whose questions are written in LaTeX. */
const LATEX_MAX_TOKENS = 700;
const DEFAULT_VOTING_TEMPERATURE = 0.7;
const LATEX = /\\[a-zA-Z([]|\$[^$\n]{1,200}\$/;

/** Tokens of each sample of a question unless told: 300, and 700 for mathematics written in LaTeX. */
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
