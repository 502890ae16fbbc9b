// The outcome and timings of one request over any transport.
import type { ReasonResponse } from "../../src/server/reason/schema.ts";
import type { Kind, Order } from "./order.ts";

/** The parts of a completion that are counted. */
export interface CompletionAnswer {
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly completionTokens: number;
  /** One for each choice, by index. */
  readonly finishReasons: readonly string[];
}

export type Answer =
  | { readonly type: "reason"; readonly response: ReasonResponse }
  | { readonly type: "completion"; readonly completion: CompletionAnswer }
  | { readonly type: "other" };

export interface Exchange {
  readonly kind: Kind;
  /** Refused: a proper 429 or 503 before anything was generated. Dropped: the client disconnected on purpose. */
  readonly outcome: "answered" | "refused" | "failed" | "dropped";
  /** Status, code or problem; null if answered. */
  readonly error: string | null;
  readonly latencyMs: number;
  /** From sending to the first token's text; null without tokens, or if not streamed. */
  readonly firstTokenMs: number | null;
  /** Between two tokens of one sample. */
  readonly gapsMs: readonly number[];
  readonly answer: Answer | null;
}

/** What the transport has measured. */
export interface Measured {
  readonly latencyMs: number;
  readonly firstTokenMs?: number | null;
  readonly gapsMs?: readonly number[];
}

/** Failed if the server ended it at a deadline, which otherwise looks complete. */
export function answered(order: Order, answer: Answer, measured: Measured): Exchange {
  if (isCutOff(answer)) return failed(order, "cut off by the server", measured);
  return exchange(order, "answered", null, answer, measured);
}

function isCutOff(answer: Answer): boolean {
  if (answer.type === "completion") return answer.completion.finishReasons.includes("abort");
  if (answer.type !== "reason") return false;
  const { stop_reason: stop, samples = [] } = answer.response;
  return stop === "abort" || samples.some(({ finish_reason: finish }) => finish === "abort");
}

export function dropped(order: Order, measured: Measured): Exchange {
  return exchange(order, "dropped", null, null, measured);
}

export function failed(order: Order, error: string, measured: Measured): Exchange {
  return exchange(order, "failed", error, null, measured);
}

/** An answer with an error status, by its OpenAI-shaped body. */
export function rejected(
  order: Order,
  status: number,
  body: string,
  retryAfter: string | undefined,
  measured: Measured,
): Exchange {
  const code = errorCodeOf(body);
  if (code === null) return failed(order, `${status} without an error body`, measured);
  const error = `${status} ${code}`;
  const refused = status === 429 || (status === 503 && code === "shutting_down");
  if (!refused) return failed(order, error, measured);
  if (status === 429 && retryAfter === undefined)
    return failed(order, `${error} without Retry-After`, measured);
  return exchange(order, "refused", error, null, measured);
}

/** The code of an error body, or its type; null for other bodies. */
export function errorCodeOf(body: string): string | null {
  try {
    const { error } = JSON.parse(body) as { error?: { code?: unknown; type?: unknown } }; // checked below
    if (typeof error?.code === "string") return error.code;
    return typeof error?.type === "string" ? error.type : null;
  } catch {
    return null;
  }
}

function exchange(
  order: Order,
  outcome: Exchange["outcome"],
  error: string | null,
  answer: Answer | null,
  measured: Measured,
): Exchange {
  const { latencyMs, firstTokenMs = null, gapsMs = [] } = measured;
  return { kind: order.kind, outcome, error, latencyMs, firstTokenMs, gapsMs, answer };
}
