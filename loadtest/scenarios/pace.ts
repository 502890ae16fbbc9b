// Paces requests: a fixed number of connections (closed loop), or a fixed rate whatever the server does (open loop).
import type { Amounts } from "./scenario.ts";

/** Closed loop: runs `once` repeatedly on each connection, until the count, the time or the signal ends it. */
export async function closedLoop(
  amounts: Amounts,
  signal: AbortSignal,
  once: (number: number) => Promise<void>,
): Promise<void> {
  const endMs = amounts.seconds === null ? null : performance.now() + 1000 * amounts.seconds;
  let begun = 0;
  const goesOn = (): boolean =>
    !signal.aborted && (endMs === null ? begun < amounts.requests : performance.now() < endMs);
  const line = async (): Promise<void> => {
    while (goesOn()) await once(begun++);
  };
  await Promise.all(Array.from({ length: amounts.connections }, line));
}

/**
 * Open loop: starts `once` every `intervalMs`, however many are still running; resolves when all have ended. Late
 * timers are compensated, so that the rate holds.
 */
export async function openLoop(
  load: { readonly intervalMs: number; readonly requests: number },
  signal: AbortSignal,
  once: (number: number) => Promise<void>,
): Promise<void> {
  const startMs = performance.now();
  const running: Promise<void>[] = [];
  while (running.length < load.requests && !signal.aborted) {
    const dueMs = startMs + running.length * load.intervalMs;
    const waitMs = dueMs - performance.now();
    if (waitMs > 0) await pause(waitMs, signal);
    else running.push(once(running.length));
  }
  await Promise.all(running);
}

/** Resolves after `ms`, or when the signal is aborted. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener("abort", end, { once: true });
  });
}
