// Notices when the engine stalls, comes back or fails, without anybody asking it for work. It knows neither logs nor
// metrics.
import type { Clock } from "../../base/clock.ts";
import type { EngineStats } from "../../engine/request.ts";

export type EngineState = EngineStats["state"];

export interface EngineChange {
  readonly from: EngineState;
  readonly to: EngineState;
  /** How long the engine was seen in `from`. */
  readonly lastedMs: number;
}

const PERIOD_MS = 500;

/** Calls back at each change of state, at most half a second late, until the returned function is called. */
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
