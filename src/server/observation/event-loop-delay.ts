// Measures event loop delay: how late a timer fires.
import type { Clock } from "../../base/clock.ts";

const PERIOD_MS = 100;

/** Calls back with the delay in seconds, ten times a second, until the returned function is called. */
export function watchEventLoop(clock: Clock, observe: (delaySeconds: number) => void): () => void {
  let expectedMs = clock.nowMs() + PERIOD_MS;
  const timer = setInterval(() => {
    const nowMs = clock.nowMs();
    observe(Math.max(0, nowMs - expectedMs) / 1000);
    expectedMs = nowMs + PERIOD_MS;
  }, PERIOD_MS);
  timer.unref();
  return () => clearInterval(timer);
}
