// Rate limiting (429): a token bucket for each API key, or for each client address if no keys are set.
import type { FastifyInstance, FastifyRequest } from "fastify";
import type { Clock } from "../../base/clock.ts";
import { MagdiError } from "../../base/errors.ts";

const MINUTE_MS = 60_000;
/** Beyond this the least recently used bucket is dropped, which starts full again. */
const MAX_BUCKETS = 10_000;

export interface Allowance {
  readonly allowed: boolean;
  readonly limit: number;
  /** Requests left right now. */
  readonly remaining: number;
  /** Time until the bucket is full again. */
  readonly resetMs: number;
  /** Time until the next request is allowed; 0 if it is now. */
  readonly retryMs: number;
}

interface Bucket {
  tokens: number;
  /** When `tokens` was computed. */
  atMs: number;
}

/** Token buckets that hold one minute's requests and refill at a constant rate. */
export class RateLimiter {
  readonly #limit: number;
  readonly #clock: Clock;
  /** Least recently used first. A bucket unused for a minute is full again, so it is dropped. */
  readonly #buckets = new Map<string, Bucket>();

  /** `requestsPerMinute` is at least 1. */
  constructor(requestsPerMinute: number, clock: Clock) {
    this.#limit = requestsPerMinute;
    this.#clock = clock;
  }

  /** Buckets in memory, at most 10000. */
  get size(): number {
    return this.#buckets.size;
  }

  /** Takes one request from `name`'s bucket if there is one left. */
  take(name: string): Allowance {
    const nowMs = this.#clock.nowMs();
    const limit = this.#limit;
    const old = this.#buckets.get(name);
    const filled = old === undefined ? limit : old.tokens + ((nowMs - old.atMs) * limit) / MINUTE_MS;
    const before = Math.min(limit, filled);
    const allowed = before >= 1;
    const tokens = allowed ? before - 1 : before;
    this.#buckets.delete(name);
    this.#buckets.set(name, { tokens, atMs: nowMs });
    this.#forget(nowMs);
    const msFor = (missing: number) => Math.ceil((Math.max(0, missing) * MINUTE_MS) / limit);
    return {
      allowed,
      limit,
      remaining: Math.floor(tokens),
      resetMs: msFor(limit - tokens),
      retryMs: msFor(1 - tokens),
    };
  }

  #forget(nowMs: number): void {
    for (const [name, { atMs }] of this.#buckets) {
      if (this.#buckets.size <= MAX_BUCKETS && nowMs - atMs < MINUTE_MS) return;
      this.#buckets.delete(name);
    }
  }
}

declare module "fastify" {
  interface FastifyInstance {
    /** Null if there is no limit. */
    readonly rateLimiter: RateLimiter | null;
  }
}

/** Limits POSTs to routes that work for a caller; the WebSocket calls `takeRequest` for each question. */
export function installRateLimit(app: FastifyInstance, requestsPerMinute: number, clock: Clock): void {
  app.decorate("rateLimiter", requestsPerMinute === 0 ? null : new RateLimiter(requestsPerMinute, clock));
  if (requestsPerMinute === 0) return;
  app.addHook("onRequest", async (request, reply) => {
    // A WebSocket upgrade is a GET and is not counted; its questions are.
    const { inference, limited } = request.routeOptions.config;
    if (!(inference || limited) || request.method !== "POST") return;
    const allowance = take(request);
    if (allowance === null) return;
    reply.headers({
      "x-ratelimit-limit-requests": allowance.limit,
      "x-ratelimit-remaining-requests": allowance.remaining,
      "x-ratelimit-reset-requests": duration(allowance.resetMs),
    });
    assertAllowed(allowance);
  });
}

/**
 * Counts one more request of `request`'s caller, for a connection that carries several.
 *
 * @throws MagdiError MAGDI_RATE_LIMIT with `retry_after_seconds`
 */
export function takeRequest(request: FastifyRequest): void {
  const allowance = take(request);
  if (allowance !== null) assertAllowed(allowance);
}

function take({ server, caller }: FastifyRequest): Allowance | null {
  return server.rateLimiter?.take(caller.account) ?? null;
}

function assertAllowed({ allowed, limit, retryMs }: Allowance): void {
  if (allowed) return;
  const seconds = Math.ceil(retryMs / 1000);
  throw new MagdiError(
    "MAGDI_RATE_LIMIT",
    `rate limit of ${limit} requests a minute reached; retry in ${seconds} s`,
    { details: { retry_after_seconds: seconds } },
  );
}

/** As OpenAI writes it: 12ms, 3s, 1m30s. */
function duration(ms: number): string {
  if (ms < 1000) return `${ms}ms`;
  const seconds = Math.ceil(ms / 1000);
  return seconds < 60 ? `${seconds}s` : `${Math.floor(seconds / 60)}m${seconds % 60}s`;
}
