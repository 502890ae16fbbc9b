// Request and response schemas of POST /v1/chat/completions.

import { z } from "zod";
import * as fields from "../transport/request-fields.ts";
import {
  completionFinish,
  completionHead,
  completionUsage,
  openAiSamplingShape,
  streamedUsage,
} from "./shared-schema.ts";
import { unsupportedChatFields, unsupportedFields, unsupportedMessageFields } from "./unsupported-fields.ts";

const MAX_MESSAGES = 1024;

const textPart = z.object({
  type: z.literal("text", { error: 'expected "text": only text is supported' }),
  text: fields.textField("a text"),
});

const content = z.union(
  [fields.textField("a text"), z.array(textPart).min(1, "expected at least one part")],
  {
    error: 'expected a text, or a list of {"type": "text", "text": …}',
  },
);

const message = z
  .object(
    {
      role: fields.choiceField(["system", "developer", "user", "assistant"]).describe("The author."),
      content: content
        .nullable()
        .describe(
          "A string, or a list of text parts. Null, of an assistant's earlier turn, is an empty one.",
        ),
      ...unsupportedMessageFields,
    },
    { error: (issue) => (issue.code === "invalid_type" ? 'expected {"role": …, "content": …}' : undefined) },
  )
  .refine(({ role, content }) => content !== null || role === "assistant", {
    path: ["content"],
    error: 'expected a text, or a list of {"type": "text", "text": …}',
  });

export const messages = z
  .array(message, { error: 'required: expected a list of {"role": …, "content": …}' })
  .min(1, "expected at least one message")
  .max(MAX_MESSAGES, `expected at most ${MAX_MESSAGES} messages`)
  .describe("The conversation so far.");

export function chatCompletionRequest(maxSamples: number) {
  return z.object({
    messages,
    ...openAiSamplingShape(maxSamples),
    ...unsupportedFields,
    max_completion_tokens: fields.maxTokens
      .nullish()
      .describe("OpenAI's newer name for max_tokens; takes precedence over it."),
    logprobs: fields.booleanField().nullish().describe("Report each token's log-probability."),
    top_logprobs: fields
      .integerField(`a whole number from 0 to ${fields.MAX_TOP_LOGPROBS}`, 0, fields.MAX_TOP_LOGPROBS)
      .nullish()
      .describe("Number of most likely tokens to report at each position; requires logprobs."),
    service_tier: fields
      .choiceField(["auto", "default", "flex", "scale", "priority"])
      .nullish()
      .describe("Accepted; the only tier is default."),
    metadata: z
      .record(z.string(), fields.textField("a text"), {
        error: (issue) => (issue.code === "invalid_type" ? "expected an object of texts" : undefined),
      })
      .nullish()
      .describe("Accepted and ignored."),
    store: fields.booleanField().nullish().describe("Accepted; nothing is stored."),
    ...unsupportedChatFields,
  });
}

export type ChatCompletionRequest = z.output<ReturnType<typeof chatCompletionRequest>>;

const token = {
  token: z.string().describe("Bytes that are not a whole character are escaped, as \\xf0."),
  logprob: z.number().describe("Natural logarithm; -9999 for an impossible token."),
  bytes: z.array(z.number()),
};

const logprobs = z
  .object({
    content: z.array(z.object({ ...token, top_logprobs: z.array(z.object(token)) })),
    refusal: z.null(),
  })
  .nullable()
  .describe("Null unless requested.");

const head = {
  id: z.string(),
  ...completionHead,
  service_tier: z.literal("default").optional().describe("Only if the request has a service_tier."),
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
