// How long a run will be, told before it begins: its data are read and tokenised, and nothing is trained.

import type { BaseModel } from "../../student/base-model.ts";
import { studentText } from "./open-base-tokenizer.ts";
import { readRunData } from "./run-data.ts";
import { RunPlan } from "./run-plan.ts";
import { settledSettings, type TrainingSettings } from "./training-settings.ts";

export interface RunSize {
  /** Optimiser steps, unless the run stops early. */
  readonly steps: number;
  /** Real tokens of all steps together, without validation. */
  readonly tokens: number;
  /** MAGs, or examples, that are learned from. */
  readonly mags: number;
}

/** Of a run that begins a new adapter. @throws as the run would, for data and settings that it cannot begin with */
export async function runSize(wanted: TrainingSettings, base: BaseModel): Promise<RunSize> {
  if (wanted.losses.length === 0) return { steps: 0, tokens: 0, mags: 0 };
  const settings = settledSettings(wanted, base);
  const { training } = await readRunData(settings, await studentText(base));
  const plan = new RunPlan(settings, training.data.items.length);
  const steps = plan.totalSteps;
  return {
    steps,
    tokens: Math.round(training.counts.tokens * plan.epochAfter(steps)),
    mags: training.mags,
  };
}
