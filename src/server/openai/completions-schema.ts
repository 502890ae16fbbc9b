// Request and response schemas of POST /v1/completions.

import { z } from "zod";
import * as fields from "../transport/request-fields.ts";
import {
  completionFinish,
  completionHead,
  completionUsage,
  openAiSamplingShape,
  streamedUsage,
} from "./shared-schema.ts";
import { unsupportedFields, unsupportedTextFields } from "./unsupported-fields.ts";

const MAX_PROMPTS = 32;

const promptText = fields.textField("a text").min(1, "expected a prompt that is not empty");
const promptTokens = z.array(fields.tokenId).min(1, "expected at least one token");

export function textCompletionRequest(maxSamples: number) {
  return z.object({
    prompt: z
      .union([promptText, promptTokens, z.array(promptText).min(1), z.array(promptTokens).min(1)], {
        error:
          "expected a text that is not empty, a list of texts, a list of token ids, or a list of such lists",
      })
      .refine((prompt) => !isBatch(prompt) || prompt.length <= MAX_PROMPTS, {
        error: `expected at most ${MAX_PROMPTS} prompts`,
      })
      .describe(`One prompt or up to ${MAX_PROMPTS}, as text or as token ids.`),
    ...openAiSamplingShape(maxSamples),
    logprobs: fields
      .integerField(`a whole number from 0 to ${fields.MAX_TOP_LOGPROBS}`, 0, fields.MAX_TOP_LOGPROBS)
      .nullish()
      .describe("Report each token's log-probability, with this many of the most likely tokens."),
    ...unsupportedFields,
    ...unsupportedTextFields,
    best_of: fields
      .orNull(fields.samplesField(maxSamples))
      .describe("Not supported: only the value of n is accepted."),
  });
}

function isBatch(prompt: string | readonly unknown[]): prompt is readonly unknown[] {
  return typeof prompt !== "string" && typeof prompt[0] !== "number";
}

export type TextCompletionRequest = z.output<ReturnType<typeof textCompletionRequest>>;

const logprobs = z
  .object({
    tokens: z.array(z.string()).describe("Bytes that are not a whole character as bytes:\\xf0."),
    token_logprobs: z.array(z.number()).describe("Natural logarithms; -9999 for an impossible token."),
    top_logprobs: z
      .array(z.record(z.string(), z.number()))
      .describe("The most likely tokens, and the chosen one if it is not among them."),
    text_offset: z.array(z.number()).describe("Character offset of each token in the text."),
  })
  .nullable()
  .describe("Null unless requested.");

const choice = {
  index: z.number().describe("p * n + c for choice c of prompt p."),
  text: z.string(),
  logprobs,
};

const head = { id: z.string(), ...completionHead, object: z.literal("text_completion") };

export const textCompletion = z.object({
  ...head,
  choices: z.array(z.object({ ...choice, finish_reason: completionFinish })),
  usage: completionUsage,
});

export const textCompletionChunk = z.object({
  ...head,
  choices: z.array(z.object({ ...choice, finish_reason: completionFinish.nullable() })),
  usage: streamedUsage,
});

export type TextCompletion = z.output<typeof textCompletion>;
export type TextCompletionChunk = z.output<typeof textCompletionChunk>;
