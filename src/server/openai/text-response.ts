// What POST /v1/completions answers: the whole body, and a stream's chunks. It knows no engine.
import { z } from "zod";
import { completionFinish, completionHead, completionUsage, streamedUsage } from "./usage-schema.ts";

const logprobs = z
  .object({
    tokens: z.array(z.string()).describe("Bytes that are no whole character as bytes:\\xf0."),
    token_logprobs: z.array(z.number()).describe("Natural logarithms; -9999 for what cannot be."),
    top_logprobs: z
      .array(z.record(z.string(), z.number()))
      .describe("The most likely tokens, and the chosen one where it is none of them."),
    text_offset: z.array(z.number()).describe("The character of the text that each token begins in."),
  })
  .nullable()
  .describe("Null unless asked for.");

const choice = {
  index: z.number().describe("Choice c of prompt p has p * n + c."),
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
