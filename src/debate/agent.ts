// The interface of an agent that takes part in a debate: what is sent to it, and what it answers.

import type { Message } from "../text/chat-prompt.ts";

/** Null where the agent does not say. */
export interface CallUsage {
  readonly promptTokens: number | null;
  readonly completionTokens: number | null;
}

export interface AgentReply {
  readonly text: string;
  /** The agent would not answer; `text` is what it said instead. */
  readonly refused: boolean;
  readonly finishReason: string | null;
  /** The model that answered, as the endpoint names it. */
  readonly model: string | null;
}

/** Money for a million tokens; null where it is not known. */
export interface TokenPrices {
  readonly inputUsdPerMillion: number | null;
  readonly outputUsdPerMillion: number | null;
}

export interface AgentLimits {
  readonly concurrency: number;
  readonly requestsPerMinute: number | null;
  /** Of one attempt, from its first byte to its last. */
  readonly timeoutMs: number;
  /** Further attempts after the first. */
  readonly retries: number;
}

export interface Agent {
  readonly name: string;
  /** The model that is asked for; null for a student in this process. */
  readonly model: string | null;
  /** How it is told to answer: as one JSON object, or in sentences. */
  readonly form: "json" | "text";
  readonly maxTokens: number;
  readonly prices: TokenPrices;
  readonly limits: AgentLimits;
  /** All that decides the answer, as JSON and without the key; the journal has it. */
  request(messages: readonly Message[], seed: number): object;
  /** The raw answer, as JSON. @throws AgentCallError, or the signal's reason */
  send(request: object, signal: AbortSignal): Promise<unknown>;
  /** @throws AgentCallError for an answer of another shape */
  read(response: unknown): AgentReply;
  /** Of any response, even one that cannot be read. */
  usage(response: unknown): CallUsage;
  close(): Promise<void>;
}

/** What to do after a failed call: try again, go on without the answer, or end the whole run. */
export type AfterFailure = "retry" | "missing" | "stop";

export class AgentCallError extends Error {
  override readonly name = "AgentCallError";
  readonly after: AfterFailure;
  /** The HTTP status; null where none came. */
  readonly status: number | null;
  /** How long the agent asks to be left alone. */
  readonly retryAfterMs: number | null;

  constructor(
    message: string,
    options: { after: AfterFailure; status?: number | null; retryAfterMs?: number | null; cause?: unknown },
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.after = options.after;
    this.status = options.status ?? null;
    this.retryAfterMs = options.retryAfterMs ?? null;
  }
}
