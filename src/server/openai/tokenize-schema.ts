// Request and response schemas of POST /v1/tokenize and /v1/detokenize: vLLM's fields, with llama.cpp's names for two.
import { z } from "zod";
import * as fields from "../transport/request-fields.ts";
import { messages } from "./chat-schema.ts";
import { neutralOnly } from "./shared-schema.ts";

export const tokenizeRequest = z.object({
  model: fields.orNull(fields.modelName),
  prompt: fields
    .textField("a text")
    .nullish()
    .describe("The text. Send exactly one of prompt, content and messages."),
  content: fields.textField("a text").nullish().describe("llama.cpp's name for prompt."),
  messages: messages.nullish().describe("A conversation, rendered with the student's chat template."),
  add_special_tokens: fields
    .booleanField()
    .nullish()
    .describe(
      "Add the tokenizer's special tokens, such as BOS. Default: true for prompt, false for content and messages.",
    ),
  add_special: fields.booleanField().nullish().describe("llama.cpp's name for add_special_tokens."),
  parse_special: fields
    .booleanField()
    .nullish()
    .describe(
      "Read the texts of special tokens in prompt or content as those tokens, as llama.cpp does; false reads them as text. Default: true. In messages they are always text.",
    ),
  add_generation_prompt: fields
    .booleanField()
    .nullish()
    .describe("End a conversation with the start of an assistant message. Default: true."),
  return_token_strs: fields.booleanField().nullish().describe("Also return each token's text."),
  with_pieces: neutralOnly("with_pieces", (value) => value === false),
});

export type TokenizeRequest = z.output<typeof tokenizeRequest>;

export const tokenizeResponse = z.object({
  tokens: z.array(z.number()).describe("Token ids."),
  count: z.number(),
  max_model_len: z.number().describe("Maximum tokens of prompt and answer together."),
  token_strs: z
    .array(z.string())
    .nullable()
    .describe("Each token's text, with bytes that are not a whole character as \\x…; null unless requested."),
});

export const detokenizeRequest = z.object({
  model: fields.orNull(fields.modelName),
  tokens: z
    .array(fields.tokenId, { error: "required: expected a list of token ids" })
    .describe("Token ids, including special ones."),
});

export const detokenizeResponse = z.object({ prompt: z.string() });
