// The learning rate of each optimiser step: a linear warm-up, then constant, falling in a line or along half a cosine. It knows no
// optimiser.

export const SCHEDULES = ["cosine", "linear", "constant"] as const;

export interface Schedule {
  readonly kind: (typeof SCHEDULES)[number];
  /** The highest rate, reached at the end of the warm-up. */
  readonly learningRate: number;
  readonly warmupSteps: number;
  /** All optimiser steps, the warm-up's among them. */
  readonly totalSteps: number;
  /** The share of the highest rate that a falling one ends at. */
  readonly finalShare: number;
}

/** The rate of step `step`, counted from 0; the first step of a warm-up of n has a rate of 1/n.
 * @example learningRateAt({ kind: "constant", learningRate: 1, warmupSteps: 4, totalSteps: 9, finalShare: 0 }, 0) // 0.25 */
export function learningRateAt(schedule: Schedule, step: number): number {
  const { kind, learningRate, warmupSteps, totalSteps, finalShare } = schedule;
  if (step < warmupSteps) return (learningRate * (step + 1)) / warmupSteps;
  if (kind === "constant") return learningRate;
  const done = Math.min(1, (step - warmupSteps) / Math.max(1, totalSteps - warmupSteps));
  const left = kind === "linear" ? 1 - done : (1 + Math.cos(Math.PI * done)) / 2;
  return learningRate * (finalShare + (1 - finalShare) * left);
}
