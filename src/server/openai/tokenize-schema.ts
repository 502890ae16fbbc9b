// What POST /v1/tokenize and /v1/detokenize take and answer: vLLM's fields, and llama.cpp's names for two of them. It
// knows no tokenizer.
import { z } from "zod";
import * as fields from "../transport/fields.ts";
import { messages } from "./chat-schema.ts";
import { neutralOnly } from "./sampling-schema.ts";

export const tokenizeRequest = z.object({
  model: fields.orNull(fields.modelName),
  prompt: fields.textField("a text").nullish().describe("A text; one of prompt, content and messages."),
  content: fields.textField("a text").nullish().describe("llama.cpp's name of prompt."),
  messages: messages
    .nullish()
    .describe("A conversation, which the student's chat template makes a prompt of."),
  add_special_tokens: fields
    .booleanField()
    .nullish()
    .describe("Put the tokenizer's own tokens around, such as BOS. Default: true for prompt only."),
  add_special: fields.booleanField().nullish().describe("llama.cpp's name of add_special_tokens."),
  add_generation_prompt: fields
    .booleanField()
    .nullish()
    .describe("End a conversation with the beginning of an assistant's message. Default: true."),
  return_token_strs: fields.booleanField().nullish().describe("Report each token's text too."),
  with_pieces: neutralOnly("with_pieces", (value) => value === false),
});

export type TokenizeRequest = z.output<typeof tokenizeRequest>;

export const tokenizeResponse = z.object({
  tokens: z.array(z.number()).describe("Token ids."),
  count: z.number(),
  max_model_len: z.number().describe("Tokens of prompt and answer together."),
  token_strs: z
    .array(z.string())
    .nullable()
    .describe("Each token's text, bytes that are no whole character as \\x…; null unless asked for."),
});

export const detokenizeRequest = z.object({
  model: fields.orNull(fields.modelName),
  tokens: z
    .array(fields.tokenId, { error: "required: expected a list of token ids" })
    .describe("Token ids, special ones included."),
});

export const detokenizeResponse = z.object({ prompt: z.string() });
