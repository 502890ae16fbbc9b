// From a request's fields to the engine's parameters. It knows no prompt.

import type { Task } from "../../answers/task.ts";
import { defaultMaxTokens, samplingTemperature } from "../../asking/sampling.ts";
import type { SamplingParams } from "../../engine/request.ts";
import { randomSeed } from "../generation-run.ts";
import type { ReasonRequest } from "./schema.ts";

/** @throws MagdiError MAGDI_BAD_REQUEST for several samples at temperature 0 */
export function reasonSampling(request: ReasonRequest, task: Task): SamplingParams {
  return {
    temperature: samplingTemperature(request.samples, request.temperature),
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
