// How requests follow each other: as many at a time as there are connections, or at times of their own whatever the
// server does. It knows no requests.
import type { Amounts } from "./scenario.ts";

/** Runs `once` on each of `connections` lines, one after the other on each, until count, time or signal end it. */
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
 * Starts `once` every `intervalMs`, however many still run; resolves when all have ended. Late timers are made up
 * for, so that the rate holds.
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

/** Resolves after `ms`, or at once when the signal comes. */
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
