// How processor time grows with a text's length, on machines that others keep busy: processor time instead of the
// clock's, the best of several runs, and bounds that tell linear from quadratic.

import assert from "node:assert/strict";

/** In milliseconds, of one run. */
function timeOf(run: () => void): number {
  const before = process.cpuUsage();
  run();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

/** The least processor time in milliseconds of up to `runs` runs; no more are made once one takes less than `enough`. */
export function leastTime(run: () => void, enough: number, runs = 8): number {
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < runs && least >= enough; i++) least = Math.min(least, timeOf(run));
  return least;
}

/**
 * Asserts that eight times the length takes no more than 24 times as long; 64 times as long would be quadratic. What
 * takes less than `enoughMs` at the greater length is not measured further.
 */
export function assertLinear(
  read: (text: string) => void,
  textOf: (length: number) => string,
  length: number,
  name: string,
  enoughMs = 60,
): void {
  const long = textOf(length);
  const slow = leastTime(() => read(long), enoughMs);
  if (slow < enoughMs) return;
  const short = textOf(length / 8);
  const quick = leastTime(() => read(short), 0);
  assert.ok(
    slow <= 24 * quick,
    `${name}: ${quick.toFixed(1)} ms for ${short.length}, ${slow.toFixed(1)} ms for ${long.length}`,
  );
}
