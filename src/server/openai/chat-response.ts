// What POST /v1/chat/completions answers: the whole body, and a stream's chunks. It knows no engine.
import { z } from "zod";
import { completionFinish, completionHead, completionUsage, streamedUsage } from "./usage-schema.ts";

const token = {
  token: z.string().describe("Bytes that are no whole character are escaped, such as \\xf0."),
  logprob: z.number().describe("Natural logarithm; -9999 for what cannot be."),
  bytes: z.array(z.number()),
};

const logprobs = z
  .object({
    content: z.array(z.object({ ...token, top_logprobs: z.array(z.object(token)) })),
    refusal: z.null(),
  })
  .nullable()
  .describe("Null unless asked for.");

const head = {
  id: z.string(),
  ...completionHead,
  service_tier: z.literal("default").optional().describe("Present when the request has one."),
};

export const chatCompletion = z.object({
  ...head,
  object: z.literal("chat.completion"),
  choices: z.array(
    z.object({
      index: z.number(),
      message: z.object({ role: z.literal("assistant"), content: z.string(), refusal: z.null() }),
      logprobs,
      finish_reason: completionFinish,
    }),
  ),
  usage: completionUsage,
});

export const chatCompletionChunk = z.object({
  ...head,
  object: z.literal("chat.completion.chunk"),
  choices: z.array(
    z.object({
      index: z.number(),
      delta: z.object({ role: z.literal("assistant").optional(), content: z.string().optional() }),
      logprobs,
      finish_reason: completionFinish.nullable(),
    }),
  ),
  usage: streamedUsage,
});

export type ChatCompletion = z.output<typeof chatCompletion>;
export type ChatCompletionChunk = z.output<typeof chatCompletionChunk>;
