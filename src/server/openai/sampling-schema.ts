// The sampling fields that chat and text completions have in common. It knows no prompt and no answer.
import { z } from "zod";
import * as fields from "../transport/fields.ts";

/** A field of OpenAI's API that changes the answer and is not implemented: only its neutral values pass. */
export function neutralOnly(name: string, isNeutral: (value: unknown) => boolean) {
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
    model: fields.orNull(fields.modelName),
    n: fields.orNull(fields.samplesField(maxSamples, "samples")),
    stream: fields.orNull(fields.stream),
    stream_options: z
      .object({
        include_usage: fields
          .booleanField()
          .nullish()
          .describe("Send a last chunk with the usage of all choices."),
      })
      .nullish()
      .describe("Only together with stream."),
    temperature: fields.orNull(fields.temperature),
    top_p: fields.orNull(fields.topP),
    top_k: fields.orNull(fields.topK),
    min_p: fields.orNull(fields.minP),
    max_tokens: fields.orNull(fields.maxTokens),
    min_tokens: fields.orNull(fields.minTokens),
    ignore_eos: fields.booleanField().nullish().describe("Go on after an end-of-sequence token."),
    stop: fields.orNull(fields.stop),
    seed: fields.orNull(fields.seed),
    logit_bias: fields.orNull(fields.logitBias),
    user: fields.textField("a text").nullish().describe("Taken and not used."),
    presence_penalty: neutralOnly("presence_penalty", (value) => value === 0),
    frequency_penalty: neutralOnly("frequency_penalty", (value) => value === 0),
  };
}
