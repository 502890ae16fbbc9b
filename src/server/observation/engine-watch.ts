// Polls the engine's state to notice stalls, recoveries and failures even when no requests come, and logs them.

import type { FastifyBaseLogger } from "fastify";
import type { Clock } from "../../base/clock.ts";
import type { EngineStats } from "../../engine/request.ts";

export type EngineState = EngineStats["state"];

export interface EngineChange {
  readonly from: EngineState;
  readonly to: EngineState;
  /** Time in `from`. */
  readonly lastedMs: number;
}

const PERIOD_MS = 500;

/** Calls back at each state change, at most half a second late, until the returned function is called. */
export function watchEngine(
  clock: Clock,
  read: () => EngineState,
  onChange: (change: EngineChange) => void,
): () => void {
  let state = read();
  let sinceMs = clock.nowMs();
  let stopTimer = () => {};
  const look = () => {
    const now = read();
    if (now !== state) {
      const nowMs = clock.nowMs();
      const change = { from: state, to: now, lastedMs: nowMs - sinceMs };
      state = now;
      sinceMs = nowMs;
      onChange(change);
    }
    stopTimer = clock.setTimer(PERIOD_MS, look);
  };
  look();
  return () => stopTimer();
}

export function logEngineChange(log: FastifyBaseLogger, { from, to, lastedMs }: EngineChange): void {
  const seconds = (lastedMs / 1000).toFixed(1);
  const fields = { engine: to, before: from };
  if (to === "failed") {
    log.fatal(fields, "the engine has failed: restart the process");
  } else if (to === "stalled") {
    log.error(
      fields,
      "the engine is stalled: a step of the model does not return; /ready and /health answer 503",
    );
  } else if (to === "ready") {
    log.warn(fields, `the engine has recovered: it was stalled for ${seconds} s`);
  }
}
