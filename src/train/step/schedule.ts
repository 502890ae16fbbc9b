// The learning rate schedule: the factor that each optimiser step multiplies the peak learning rate by. A linear warm-up,
// then constant, linear decay or cosine decay.

export const SCHEDULES = ["cosine", "linear", "constant"] as const;

export interface Schedule {
  readonly kind: (typeof SCHEDULES)[number];
  readonly warmupSteps: number;
  /** All optimiser steps, warm-up included. */
  readonly totalSteps: number;
  /** The factor that a decay ends at. */
  readonly finalShare: number;
}

/** The factor of step `step`, counted from 0; the first step of a warm-up of n has 1/n.
 * @example learningRateFactor({ kind: "constant", warmupSteps: 4, totalSteps: 9, finalShare: 0 }, 0) // 0.25 */
export function learningRateFactor(schedule: Schedule, step: number): number {
  const { kind, warmupSteps, totalSteps, finalShare } = schedule;
  if (step < warmupSteps) return (step + 1) / warmupSteps;
  if (kind === "constant") return 1;
  const done = Math.min(1, (step - warmupSteps) / Math.max(1, totalSteps - warmupSteps));
  const left = kind === "linear" ? 1 - done : (1 + Math.cos(Math.PI * done)) / 2;
  return finalShare + (1 - finalShare) * left;
}
