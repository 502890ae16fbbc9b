// The learning rate of each optimiser step as a share of the highest: a linear warm-up, then constant, falling in a line or
// along half a cosine. It knows no optimiser and no rate.

export const SCHEDULES = ["cosine", "linear", "constant"] as const;

export interface Schedule {
  readonly kind: (typeof SCHEDULES)[number];
  readonly warmupSteps: number;
  /** All optimiser steps, the warm-up's among them. */
  readonly totalSteps: number;
  /** The share of the highest rate that a falling one ends at. */
  readonly finalShare: number;
}

/** The share of the highest rate that step `step` has, counted from 0; the first step of a warm-up of n has 1/n.
 * @example rateShareAt({ kind: "constant", warmupSteps: 4, totalSteps: 9, finalShare: 0 }, 0) // 0.25 */
export function rateShareAt(schedule: Schedule, step: number): number {
  const { kind, warmupSteps, totalSteps, finalShare } = schedule;
  if (step < warmupSteps) return (step + 1) / warmupSteps;
  if (kind === "constant") return 1;
  const done = Math.min(1, (step - warmupSteps) / Math.max(1, totalSteps - warmupSteps));
  const left = kind === "linear" ? 1 - done : (1 + Math.cos(Math.PI * done)) / 2;
  return finalShare + (1 - finalShare) * left;
}
