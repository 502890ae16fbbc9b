// From a question to the engine's parameters, with the defaults of the paper's evaluation. It knows no prompt.
import type { SamplingParams } from "../../engine/request.ts";
import { MagdiError } from "../../errors.ts";
import type { Task } from "../../reasoning/task.ts";
import type { ReasonRequest } from "../schemas/reason.ts";
import { randomSeed } from "./generation-run.ts";

const DEFAULT_MAX_TOKENS = 300;
/** The paper's bound for MATH, whose questions are written in LaTeX. */
const LATEX_MAX_TOKENS = 700;
const DEFAULT_VOTING_TEMPERATURE = 0.7;
const LATEX = /\\[a-zA-Z([]|\$[^$\n]{1,200}\$/;

/** @throws MagdiError MAGDI_BAD_REQUEST for several samples at temperature 0 */
export function reasonSampling(request: ReasonRequest, task: Task): SamplingParams {
  return {
    temperature: temperatureOf(request),
    topK: request.top_k,
    topP: request.top_p,
    minP: 0,
    maxTokens: request.max_tokens ?? defaultMaxTokens(task, request.question),
    minTokens: 0,
    ignoreEos: false,
    stop: [],
    seed: request.seed ?? randomSeed(),
    topLogprobs: null,
    logitBias: new Map(),
  };
}

function temperatureOf(request: ReasonRequest): number {
  if (request.samples > 1 && request.temperature === 0) {
    throw new MagdiError(
      "MAGDI_BAD_REQUEST",
      `temperature: expected more than 0 with ${request.samples} samples, found 0: all samples would be the same`,
      { param: "temperature" },
    );
  }
  return request.temperature ?? (request.samples > 1 ? DEFAULT_VOTING_TEMPERATURE : 0);
}

function defaultMaxTokens(task: Task, question: string): number {
  return task === "math" && LATEX.test(question) ? LATEX_MAX_TOKENS : DEFAULT_MAX_TOKENS;
}
