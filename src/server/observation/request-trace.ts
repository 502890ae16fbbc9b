// What becomes of one inference request, for whoever observes it: a span if traces are collected, and a header with
// where the time went. It knows no tracing library.
import type { GenerationTiming, SamplingParams } from "../../engine/request.ts";
import type { HttpError } from "../transport/http-errors.ts";
import type { TracePlace } from "./trace-context.ts";

export interface InferenceOrder {
  readonly operation: "chat" | "text_completion";
  readonly model: string;
  readonly caller: string;
  /** Of each prompt. */
  readonly samples: number;
  readonly sampling: SamplingParams;
  readonly streamed: boolean;
  readonly task: string | null;
}

export interface InferenceEnd {
  readonly id: string;
  readonly model: string;
  /** By sample. */
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
  readonly place: TracePlace;
  ordered(order: InferenceOrder): void;
  ended(end: InferenceEnd): void;
  failed(reason: string, message: string, isServersFault: boolean): void;
  /** Ends the span; `status` is null where there is no HTTP response of its own. */
  close(status: number | null): void;
}

/** Makes spans; what is done with them it does by itself. */
export interface Tracing {
  start(exchange: HttpExchange, parent: TracePlace | null): RequestSpan;
  /** Sends what is left, within a bound of time. */
  close(): Promise<void>;
}

export class RequestTrace {
  /** Where log lines about the request belong. */
  readonly place: TracePlace | null;
  readonly #span: RequestSpan | null;
  #end: InferenceEnd | null = null;
  #working = false;
  #closed: { readonly status: number | null } | null = null;

  constructor(span: RequestSpan | null = null, parent: TracePlace | null = null) {
    this.#span = span;
    this.place = span?.place ?? parent;
  }

  ordered(order: InferenceOrder): void {
    this.#working = true;
    this.#span?.ordered(order);
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

  /** To be called when the response is closed; `whole` says whether all of it left. */
  close(status: number | null, whole: boolean): void {
    if (!whole) this.#span?.failed("disconnect", "the client went away before the end", false);
    this.#closed = { status };
    // Work that lost its client ends a little later.
    if (!this.#working) this.#span?.close(status);
  }

  #settle(): void {
    if (!this.#working) return;
    this.#working = false;
    if (this.#closed !== null) this.#span?.close(this.#closed.status);
  }

  /** The value of a Server-Timing header; null before the request's end. */
  get serverTiming(): string | null {
    if (this.#end === null) return null;
    const phases = { queue: 0, prefill: 0, decode: 0, total: 0 };
    for (const timing of this.#end.timings) {
      const { submittedMs, prefillStartMs, prefillEndMs, endMs } = timing;
      // Prompts of one request run at the same time: the longest says how long it took.
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
