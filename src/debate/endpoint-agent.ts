// An agent behind OpenAI's POST chat/completions. It does not retry: one call is one request.

import { z } from "zod";
import { isObject } from "../base/files/json-file.ts";
import { MagdiApiError, MagdiConnectionError } from "../client/client-error.ts";
import { HttpTransport } from "../client/http-transport.ts";
import { retryingFetch } from "../eval/retrying-fetch.ts";
import {
  type AfterFailure,
  type Agent,
  AgentCallError,
  type AgentLimits,
  type TokenPrices,
} from "./agent.ts";

export interface EndpointOptions {
  readonly name: string;
  /** With its version, as OpenAI's clients take it; /v1 is added to an address without a path. */
  readonly baseUrl: string;
  readonly model: string;
  readonly apiKey: string | null;
  readonly temperature: number | null;
  readonly topP: number | null;
  readonly maxTokens: number;
  /** Newer models of OpenAI's take max_completion_tokens alone. */
  readonly maxTokensField: "max_tokens" | "max_completion_tokens";
  /** Whether `seed` is sent. */
  readonly sendsSeed: boolean;
  readonly form: "json" | "text";
  /** Whether the answer's JSON schema is sent as `response_format`. */
  readonly structuredOutput: boolean;
  /** Further fields of the request's body. */
  readonly extra: Readonly<Record<string, unknown>>;
  readonly prices: TokenPrices;
  readonly limits: AgentLimits;
}

/** A longer response is no answer: it is cut off, and the call has failed. */
const MOST_RESPONSE_BYTES = 8 * 2 ** 20;

const ANSWER_FORMAT = {
  type: "json_schema",
  json_schema: {
    name: "answer",
    strict: true,
    schema: {
      type: "object",
      properties: {
        reasoning: { type: "string" },
        answer: { type: "string" },
        confidence_level: { type: "number" },
      },
      required: ["reasoning", "answer", "confidence_level"],
      additionalProperties: false,
    },
  },
} as const;

const completion = z.object({
  model: z.string().nullish(),
  choices: z
    .array(
      z.object({
        message: z.object({ content: z.string().nullish(), refusal: z.string().nullish() }),
        finish_reason: z.string().nullish(),
      }),
    )
    .min(1),
});

export function endpointAgent(options: EndpointOptions): Agent {
  const { name, model, form, maxTokens, prices, limits, temperature, topP } = options;
  const http = new HttpTransport({
    baseUrl: withVersion(options.baseUrl),
    apiKey: options.apiKey,
    fetch: bounded(retryingFetch({ retries: 0 }), MOST_RESPONSE_BYTES),
    timeoutMs: Number.POSITIVE_INFINITY, // the caller's signal ends it
    maxRetries: 0,
    maxRetryDelayMs: 0,
    jitter: () => 0,
    wait: () => Promise.resolve(),
  });
  return {
    ...{ name, model, form, maxTokens, prices, limits },
    // Not the address: a model that has moved gives the same answers.
    request: (messages, seed) => ({
      model,
      messages,
      [options.maxTokensField]: maxTokens,
      ...(temperature === null ? {} : { temperature }),
      ...(topP === null ? {} : { top_p: topP }),
      ...(options.sendsSeed ? { seed } : {}),
      ...(options.structuredOutput ? { response_format: ANSWER_FORMAT } : {}),
      ...options.extra,
    }),
    async send(body, signal) {
      try {
        return journalled(await http.json({ method: "POST", path: "/chat/completions", body }, signal));
      } catch (error) {
        throw callError(error);
      }
    },
    read(response) {
      const parsed = completion.safeParse(response);
      if (!parsed.success) {
        const issue = parsed.error.issues[0];
        throw new AgentCallError(
          `expected a chat completion, found at ${issue?.path.join(".")}: ${issue?.message}`,
          { after: "retry", status: 200 },
        );
      }
      const [{ message, finish_reason: finishReason = null }] = parsed.data.choices as [
        (typeof parsed.data.choices)[number], // at least one, by the schema
      ];
      const refusal = message.refusal ?? null;
      return {
        text: refusal ?? message.content ?? "",
        refused: refusal !== null || finishReason === "content_filter",
        finishReason,
        model: parsed.data.model ?? null,
      };
    },
    usage(response) {
      const usage = isObject(response) && isObject(response.usage) ? response.usage : {};
      return { promptTokens: tokens(usage.prompt_tokens), completionTokens: tokens(usage.completion_tokens) };
    },
    close: async () => {},
  };
}

/** JSON that nests so deep that it cannot be written down is no answer. */
function journalled(response: unknown): unknown {
  try {
    JSON.stringify(response);
    return response;
  } catch (cause) {
    throw new AgentCallError("expected a chat completion, found JSON nested too deep", {
      after: "retry",
      cause,
    });
  }
}

function tokens(value: unknown): number | null {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? value : null;
}

function withVersion(baseUrl: string): string {
  const trimmed = baseUrl.replace(/\/+$/, "");
  return new URL(trimmed).pathname === "/" ? `${trimmed}/v1` : trimmed;
}

/** A key, a model or a path that the endpoint does not know, and money that is used up, are the same at the next question. */
const STOPPING = new Set([401, 402, 403, 404]);
const PASSING = new Set([408, 409, 425, 429]);

function callError(error: unknown): unknown {
  if (error instanceof MagdiApiError) {
    const { status, message, retryAfterSeconds } = error;
    const retryAfterMs = retryAfterSeconds === null ? null : retryAfterSeconds * 1000;
    const next = error.code === "insufficient_quota" ? "stop" : after(status);
    return new AgentCallError(`status ${status}: ${message}`, { after: next, status, retryAfterMs });
  }
  if (!(error instanceof MagdiConnectionError)) return error;
  const message =
    error.cause instanceof SyntaxError ? `expected JSON, found other text (${error.message})` : error.message;
  return new AgentCallError(message, { after: "retry", cause: error });
}

function after(status: number | null): AfterFailure {
  if (status === null || status >= 500 || PASSING.has(status)) return "retry";
  return STOPPING.has(status) ? "stop" : "missing";
}

function bounded(inner: typeof fetch, mostBytes: number): typeof fetch {
  return async (input, init) => {
    const response = await inner(input, init);
    if (response.body === null) return response;
    let bytes = 0;
    const limit = new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, controller) {
        bytes += chunk.byteLength;
        if (bytes <= mostBytes) controller.enqueue(chunk);
        else controller.error(new Error(`expected a response of at most ${mostBytes} bytes, found more`));
      },
    });
    const { status, headers } = response;
    return new Response(response.body.pipeThrough(limit), { status, headers });
  };
}
