// The sampling fields that chat and text completions have in common. It knows no prompt and no answer.
import { z } from "zod";
import * as fields from "./fields.ts";

/** A field of OpenAI's API that changes the answer and is not implemented: only its neutral values pass. */
function neutralOnly(name: string, isNeutral: (value: unknown) => boolean) {
  return z
    .unknown()
    .refine((value) => value === undefined || value === null || isNeutral(value), {
      error: `${name} is not supported; leave it out`,
    })
    .optional()
    .describe("Not supported: only its neutral value passes.");
}

/** The shape that both OpenAI schemas spread; null means absent, as OpenAI's clients send it. */
export function openAiSamplingShape(maxSamples: number) {
  return {
    model: fields.modelName.nullish(),
    n: fields.samplesField(maxSamples, "samples").nullish(),
    stream: fields.stream.nullish(),
    stream_options: z
      .object({
        include_usage: fields
          .booleanField()
          .nullish()
          .describe("Send a last chunk with the usage of all choices."),
      })
      .nullish()
      .describe("Only together with stream."),
    temperature: fields.temperature.nullish(),
    top_p: fields.topP.nullish(),
    top_k: fields.topK.nullish(),
    min_p: fields.minP.nullish(),
    max_tokens: fields.maxTokens.nullish(),
    min_tokens: fields.minTokens.nullish(),
    ignore_eos: fields.booleanField().nullish().describe("Go on after an end-of-sequence token."),
    stop: fields.stop.nullish(),
    seed: fields.seed.nullish(),
    logit_bias: fields.logitBias.nullish(),
    presence_penalty: neutralOnly("presence_penalty", (value) => value === 0),
    frequency_penalty: neutralOnly("frequency_penalty", (value) => value === 0),
  };
}

export { neutralOnly };
