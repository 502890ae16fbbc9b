// The trace of one inference request: trace context from the traceparent header, a span if traces are collected, and the
// Server-Timing header. No tracing library here.

import type { GenerationTiming, SamplingParams } from "../../engine/request.ts";
import type { HttpError } from "../transport/http-errors.ts";

export interface InferenceStart {
  readonly operation: "chat" | "text_completion";
  readonly model: string;
  readonly caller: string;
  /** For each prompt. */
  readonly samples: number;
  readonly sampling: SamplingParams;
  readonly streamed: boolean;
  readonly task: string | null;
}

export interface InferenceEnd {
  readonly id: string;
  readonly model: string;
  /** One for each sample. */
  readonly finishReasons: readonly string[];
  readonly promptTokens: number;
  readonly promptTokensReused: number;
  readonly generatedTokens: number;
  /** One for each prompt, on the server's clock. */
  readonly timings: readonly GenerationTiming[];
  readonly vote: {
    readonly share: number | null;
    readonly decidedAt: number;
    readonly stopReason: string;
  } | null;
}

export interface HttpExchange {
  readonly method: string;
  readonly route: string;
}

/** The span of one request. */
export interface RequestSpan {
  readonly context: TraceContext;
  started(start: InferenceStart): void;
  ended(end: InferenceEnd): void;
  failed(reason: string, message: string, isServersFault: boolean): void;
  /** Ends the span. `status` is null for a question on a WebSocket, which has no HTTP response. */
  close(status: number | null): void;
}

/** Starts spans and exports them. */
export interface Tracing {
  start(exchange: HttpExchange, parent: TraceContext | null): RequestSpan;
  /** Exports the remaining spans; gives up after a timeout. */
  close(): Promise<void>;
}

export class RequestTrace {
  /** For the request's log lines; null without a span and a traceparent header. */
  readonly context: TraceContext | null;
  readonly #span: RequestSpan | null;
  #end: InferenceEnd | null = null;
  #working = false;
  #closed: { readonly status: number | null } | null = null;

  constructor(span: RequestSpan | null = null, parent: TraceContext | null = null) {
    this.#span = span;
    this.context = span?.context ?? parent;
  }

  started(start: InferenceStart): void {
    this.#working = true;
    this.#span?.started(start);
  }

  ended(end: InferenceEnd): void {
    this.#end = end;
    this.#span?.ended(end);
    this.#settle();
  }

  failed({ reason, status, body }: HttpError): void {
    this.#span?.failed(reason, body.error.message, status >= 500);
    this.#settle();
  }

  /** Call it when the response is closed; `whole` says whether all of it was sent. */
  close(status: number | null, whole: boolean): void {
    if (!whole) this.#span?.failed("disconnect", "the client disconnected before the end", false);
    this.#closed = { status };
    // After a disconnect the generation ends a little later, and the span with it.
    if (!this.#working) this.#span?.close(status);
  }

  #settle(): void {
    if (!this.#working) return;
    this.#working = false;
    if (this.#closed !== null) this.#span?.close(this.#closed.status);
  }

  /** The Server-Timing header's value; null before the request's end. */
  get serverTiming(): string | null {
    if (this.#end === null) return null;
    const phases = { queue: 0, prefill: 0, decode: 0, total: 0 };
    for (const timing of this.#end.timings) {
      const { submittedMs, prefillStartMs, prefillEndMs, endMs } = timing;
      // The prompts of a batch run concurrently, so each phase takes as long as its slowest prompt.
      const longest = (phase: keyof typeof phases, ms: number) => {
        phases[phase] = Math.max(phases[phase], ms);
      };
      longest("queue", (prefillStartMs ?? endMs) - submittedMs);
      if (prefillStartMs !== null) longest("prefill", (prefillEndMs ?? endMs) - prefillStartMs);
      if (prefillEndMs !== null) longest("decode", endMs - prefillEndMs);
      longest("total", endMs - submittedMs);
    }
    return Object.entries(phases)
      .map(([name, ms]) => `${name};dur=${ms.toFixed(1)}`)
      .join(", ");
  }
}

declare module "fastify" {
  interface FastifyRequest {
    trace: RequestTrace;
  }
}

export interface TraceContext {
  /** 32 lower-case hexadecimal digits. */
  readonly traceId: string;
  /** 16 digits: our span if there is one, otherwise the client's. */
  readonly spanId: string;
  readonly sampled: boolean;
}

const TRACEPARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;

/** Parses a traceparent header (W3C Trace Context); null without one or, as the standard says, for a malformed one. */
export function parseTraceparent(header: string | string[] | undefined): TraceContext | null {
  if (typeof header !== "string" || header.length > 512) return null;
  const [, version, traceId = "", spanId = "", flags = "", more] = TRACEPARENT.exec(header) ?? [];
  if (version === undefined || version === "ff") return null;
  // Later versions may append fields; the first four keep their meaning.
  if (version === "00" && more !== undefined) return null;
  if (/^0+$/.test(traceId) || /^0+$/.test(spanId)) return null;
  return { traceId, spanId, sampled: (Number.parseInt(flags, 16) & 1) === 1 };
}

/** Fields of log lines, with OpenTelemetry's names. */
export function logBindings(context: TraceContext): { readonly trace_id: string; readonly span_id: string } {
  return { trace_id: context.traceId, span_id: context.spanId };
}
