// POST /v1/tokenize and /v1/detokenize: text to token ids exactly as the inference routes encode it, and back.
import type { FastifyPluginAsyncZod } from "fastify-type-provider-zod";
import { withinContext } from "../../asking/prompt-tokens.ts";
import { badField } from "../../asking/sampling.ts";
import { encodeChat } from "../../text/chat-prompt.ts";
import { TooManyTokensError } from "../../text/token-limit.ts";
import { SHORT_TEXT_UNITS } from "../../text/tokenizer.ts";
import type { RouteOptions } from "../app-context.ts";
import { assertServes, assertTokens, messagesOf, type ServedStudent } from "../served-student.ts";
import { shownToken } from "./logprobs.ts";
import {
  detokenizeRequest,
  detokenizeResponse,
  type TokenizeRequest,
  tokenizeRequest,
  tokenizeResponse,
} from "./tokenize-schema.ts";

const TOKENIZE = `The tokens of a text or conversation, exactly as an inference request would have them, including special
tokens. Very long texts (more than 32768 characters) are rejected if they do not fit into the context. For the rate limit it
counts as one request, as a question does.`;

const TOKENIZER_ERRORS = [
  "MAGDI_UNKNOWN_MODEL",
  "MAGDI_MODEL_LOADING",
  "MAGDI_SHUTTING_DOWN",
  "MAGDI_ENGINE_STALLED",
  "MAGDI_ENGINE_FAILED",
] as const;

export const tokenizeRoute: FastifyPluginAsyncZod<RouteOptions> = async (app, { context }) => {
  app.post(
    "/v1/tokenize",
    {
      config: { limited: true, errors: ["MAGDI_CONTEXT_LENGTH", ...TOKENIZER_ERRORS] },
      schema: {
        operationId: "tokenize",
        tags: ["Models"],
        description: TOKENIZE,
        summary: "Tokenize a text or conversation",
        body: tokenizeRequest,
        response: { 200: tokenizeResponse },
      },
    },
    async ({ body }) => {
      const student = context.lifecycle.requireStudent();
      assertServes(student, body.model);
      const tokens = [...encoded(student, body)];
      return {
        tokens,
        count: tokens.length,
        max_model_len: student.engine.contextLength,
        token_strs: body.return_token_strs ? tokens.map((id) => shownToken(student.tokenizer, id)) : null,
      };
    },
  );

  app.post(
    "/v1/detokenize",
    {
      config: { limited: true, errors: TOKENIZER_ERRORS },
      schema: {
        operationId: "detokenize",
        tags: ["Models"],
        description:
          "The inverse of tokenize; special tokens are included in the text. For the rate limit it counts as one request.",
        summary: "Turn token ids into text",
        body: detokenizeRequest,
        response: { 200: detokenizeResponse },
      },
    },
    async ({ body }) => {
      const student = context.lifecycle.requireStudent();
      assertServes(student, body.model);
      const most = mostTokens(student);
      if (body.tokens.length > most) {
        throw badField("tokens", `expected at most ${most} token ids, found ${body.tokens.length}`);
      }
      assertTokens(student, body.tokens, "tokens");
      return { prompt: student.tokenizer.decode(body.tokens, { skipSpecialTokens: false }) };
    },
  );
};

/** Most tokens of an answer or a request here: the context's, or as many as a short text has characters. */
const mostTokens = ({ engine }: ServedStudent): number => Math.max(engine.contextLength, SHORT_TEXT_UNITS);

function encoded(student: ServedStudent, body: TokenizeRequest): Int32Array {
  const { prompt, content, messages } = body;
  const named = (["prompt", "content", "messages"] as const).filter((name) => (body[name] ?? null) !== null);
  const [first, second] = named;
  if (first === undefined || second !== undefined) {
    const param = second ?? "prompt";
    const found = first === undefined ? "none" : named.join(" and ");
    throw badField(param, `expected one of prompt, content and messages, found ${found}`);
  }
  const special = body.add_special_tokens ?? body.add_special;
  const encode = (atMost: number): Int32Array => {
    if (messages) {
      if (body.parse_special) {
        throw badField(
          "parse_special",
          "is for prompt and content: in messages special tokens are always text",
        );
      }
      return encodeChat(student, messagesOf(messages), {
        addGenerationPrompt: body.add_generation_prompt ?? true,
        addSpecialTokens: special ?? false,
        atMost,
      });
    }
    // The defaults differ: llama.cpp (content) adds no special tokens, vLLM (prompt) does.
    const addSpecialTokens = special ?? first === "prompt";
    const text = prompt ?? content ?? "";
    const quoted = body.parse_special === false;
    const given = quoted ? student.tokenizer.quoteSpecial(text) : text;
    return student.tokenizer.encode(given, { addSpecialTokens, atMost, quoted });
  };
  return withinContext(student.engine, first, (atMost) => {
    const tokens = encode(atMost);
    // A short text is encoded whole, and a character of it may be several tokens.
    if (tokens.length > mostTokens(student)) throw new TooManyTokensError(tokens.length);
    return tokens;
  });
}
