// Counts and logs what the server's limits refuse or cut off. A flood does not become a flood of log lines.
import type { FastifyBaseLogger } from "fastify";
import type { Clock } from "../../base/clock.ts";
import { LIMITS, type Limit } from "./limits.ts";
import type { TrafficMetrics } from "./traffic-metrics.ts";

const LOG_PERIOD_MS = 60_000;

export class LimitWatch {
  readonly #traffic: TrafficMetrics;
  readonly #log: FastifyBaseLogger;
  readonly #clock: Clock;
  readonly #quiet = new Map<Limit, { untilMs: number; unlogged: number }>();

  constructor(traffic: TrafficMetrics, log: FastifyBaseLogger, clock: Clock) {
    this.#traffic = traffic;
    this.#log = log;
    this.#clock = clock;
  }

  /** Counts it, and logs it at most once a minute for each limit, with how often it was reached since. */
  reached(limit: Limit, error: Error | null = null): void {
    this.#traffic.countLimit(limit);
    const nowMs = this.#clock.nowMs();
    const quiet = this.#quiet.get(limit);
    if (quiet !== undefined && nowMs < quiet.untilMs) {
      quiet.unlogged++;
      return;
    }
    this.#quiet.set(limit, { untilMs: nowMs + LOG_PERIOD_MS, unlogged: 0 });
    const fields = { limit, times: 1 + (quiet?.unlogged ?? 0), ...(error === null ? {} : { err: error }) };
    this.#log.warn(fields, LIMITS[limit]);
  }
}
