// What all routes share: the server's parts and settings, and the route options that describe a route to hooks and
// documentation.
import { randomUUID } from "node:crypto";
import type { ZodType } from "zod";
import type { Clock } from "../base/clock.ts";
import type { ErrorCode } from "../base/errors.ts";
import type { CancelReason } from "../base/finish-reason.ts";
import type { Baselines } from "../voting/baselines.ts";
import type { ServerConfig } from "./config.ts";
import type { Debates } from "./debate/debates.ts";
import type { Shadow } from "./debate/shadow.ts";
import type { DescribedRoute } from "./documentation/route-list.ts";
import type { LimitWatch } from "./observation/limit-watch.ts";
import type { Metrics } from "./observation/metrics.ts";
import type { Tracing } from "./observation/request-trace.ts";
import type { AnswerMemory } from "./operations/answer-memory.ts";
import type { Lifecycle } from "./operations/lifecycle.ts";
import type { ByteBudget } from "./transport/byte-budget.ts";
import type { LoopTurns } from "./transport/loop-turns.ts";
import type { OpenWebSockets } from "./transport/websocket-upgrades.ts";

export interface ServingContext {
  readonly lifecycle: Lifecycle;
  readonly answers: AnswerMemory;
  readonly metrics: Metrics;
  readonly baselines: Baselines;
  readonly clock: Clock;
  readonly config: ServerConfig;
  /** Null if the server has no agents. */
  readonly debates: Debates | null;
  /** Null if no answered question is debated in the background. */
  readonly shadow: Shadow | null;
  /** Null if no traces are collected. */
  readonly tracing: Tracing | null;
}

/** An inference request under way: what a route waits for, and cancels when the client disconnects. */
export interface InferenceRun<T> {
  readonly id: string;
  readonly done: Promise<T>;
  cancel(reason: CancelReason): void;
}

export interface RouteOptions {
  readonly context: ServingContext;
  /** All routes of the app. */
  readonly routes: readonly DescribedRoute[];
  readonly sockets: OpenWebSockets;
  /** For WebSocket messages that arrive, and bodies. */
  readonly bodyBudget: ByteBudget;
  /** For work that holds the event loop. */
  readonly turns: LoopTurns;
  readonly limits: LimitWatch;
}

declare module "fastify" {
  interface FastifyContextConfig {
    /** True for routes whose failures count as failed inference requests. */
    inference?: boolean;
    /** True for routes that are no inference, and count as requests for the rate limit all the same. */
    limited?: boolean;
    /** True for routes that ask the agents: their questions are logged and their failures counted as of inference. */
    debate?: boolean;
    /** For the OpenAPI document: errors that cannot be derived from the other options. */
    errors?: readonly ErrorCode[];
    /** For the OpenAPI document, on routes that can stream: the data of one event. */
    eventStream?: ZodType;
    /** For the OpenAPI document: the frames of a WebSocket. */
    webSocket?: { readonly receives: ZodType; readonly sends: ZodType };
  }
}

export function newId(prefix: string): string {
  return `${prefix}-${randomUUID().replaceAll("-", "")}`;
}
