// What requests are served with: the parts of the server that every route shares, and what a route says of itself.
import { randomUUID } from "node:crypto";
import type { ZodType } from "zod";
import type { Clock } from "../base/clock.ts";
import type { ErrorCode } from "../base/errors.ts";
import type { CancelReason } from "../base/finish-reason.ts";
import type { Baselines } from "../voting/baselines.ts";
import type { ServerConfig } from "./config.ts";
import type { Metrics } from "./observation/metrics.ts";
import type { Tracing } from "./observation/request-trace.ts";
import type { Admission } from "./operations/admission.ts";

/** What every request's life needs of the server. */
export interface ServingContext {
  readonly admission: Admission;
  readonly metrics: Metrics;
  readonly baselines: Baselines;
  readonly clock: Clock;
  readonly queueTimeoutMs: number;
  readonly requestTimeoutMs: number;
  readonly adaptiveThreshold: number;
  /** Whether callers reuse only what their own prompts left computed. */
  readonly isolatePrefixes: boolean;
  /** Null where no traces are collected. */
  readonly tracing: Tracing | null;
}

/** Work that has begun, whatever its answer: what a route waits for, and cancels when its client goes away. */
export interface Run<T> {
  readonly id: string;
  readonly done: Promise<T>;
  cancel(reason: CancelReason): void;
}

export interface RouteOptions {
  readonly context: ServingContext;
  readonly config: ServerConfig;
}

declare module "fastify" {
  interface FastifyContextConfig {
    /** True for routes whose failures count as failed inference requests. */
    inference?: boolean;
    /** For the API's documentation: errors besides those that routes of this kind have. */
    errors?: readonly ErrorCode[];
    /** For the API's documentation: the data of an event, where a request may ask for a stream. */
    eventStream?: ZodType;
    /** For the API's documentation: the frames of a WebSocket. */
    webSocket?: { readonly receives: ZodType; readonly sends: ZodType };
  }
}

export function newId(prefix: string): string {
  return `${prefix}-${randomUUID().replaceAll("-", "")}`;
}
