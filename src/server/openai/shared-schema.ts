// Schema fields that chat and text completions share: sampling fields of requests, usage and head of responses.

import { z } from "zod";
import * as fields from "../transport/request-fields.ts";

/** An OpenAI field that is not implemented and would change the answer: only values without effect are accepted. */
export function neutralOnly(name: string, isNeutral: (value: unknown) => boolean) {
  return z
    .unknown()
    .refine((value) => value === undefined || value === null || isNeutral(value), {
      error: `${name} is not supported; omit it`,
    })
    .optional()
    .describe("Not supported: only a value without effect is accepted.");
}

function isTextFormat(value: unknown): boolean {
  return typeof value === "object" && value !== null && "type" in value && value.type === "text";
}

/** Request fields of both routes; null means absent, as OpenAI's clients send it. */
export function openAiSamplingShape(maxSamples: number) {
  return {
    model: fields.orNull(fields.modelName),
    n: fields.orNull(fields.samplesField(maxSamples)),
    stream: fields.orNull(fields.stream),
    stream_options: z
      .object({
        include_usage: fields
          .booleanField()
          .nullish()
          .describe("Send a final chunk with the usage of all choices."),
      })
      .nullish()
      .describe("Only with stream."),
    temperature: fields.orNull(fields.temperature),
    top_p: fields.orNull(fields.topP),
    top_k: fields.orNull(fields.topK),
    min_p: fields.orNull(fields.minP),
    max_tokens: fields.orNull(fields.maxTokens),
    min_tokens: fields.orNull(fields.minTokens),
    ignore_eos: fields.booleanField().nullish().describe("Continue after an end-of-sequence token."),
    stop: fields.orNull(fields.stop),
    seed: fields.orNull(fields.seed),
    logit_bias: fields.orNull(fields.logitBias),
    user: fields.textField("a text").nullish().describe("Accepted and ignored."),
    response_format: neutralOnly("response_format", isTextFormat),
    presence_penalty: neutralOnly("presence_penalty", (value) => value === 0),
    frequency_penalty: neutralOnly("frequency_penalty", (value) => value === 0),
  };
}

export const completionUsage = z
  .object({
    prompt_tokens: z.number().describe("Tokens of all prompts, each counted once whatever n is."),
    completion_tokens: z.number().describe("Tokens of all choices."),
    total_tokens: z.number(),
    prompt_tokens_details: z.object({
      cached_tokens: z.number().describe("Prompt tokens found in the prefix cache."),
    }),
  })
  .describe("Tokens spent on this answer.");

export const completionHead = {
  created: z.number().describe("Unix seconds."),
  model: z.string().describe("The student that answered."),
  system_fingerprint: z.string().describe("Changes if the same seed may give other samples than before."),
  seed: z.number().describe("Send it again to get the same samples."),
};

export const completionFinish = z
  .enum(["stop", "length", "abort"])
  .describe("length: max_tokens or the context length; abort: a deadline or a shutdown.");

export const streamedUsage = completionUsage
  .nullable()
  .optional()
  .describe("Only with stream_options.include_usage: null in all chunks but the last, which has no choices.");
