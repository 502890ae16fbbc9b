// The plan of a run: the items and the learning rate factor of each optimiser step, after which steps to validate and to
// write a checkpoint, and when to stop early.

import { BatchSampler } from "../batches/batch-sampler.ts";
import { learningRateFactor, type Schedule } from "../step/schedule.ts";
import type { RunState } from "./checkpoint.ts";
import type { TrainingSettings } from "./training-settings.ts";

export class RunPlan {
  readonly totalSteps: number;
  readonly #settings: TrainingSettings;
  readonly #sampler: BatchSampler;
  readonly #schedule: Schedule;

  /** @param items how many an epoch has */
  constructor(settings: TrainingSettings, items: number) {
    this.#settings = settings;
    this.#sampler = new BatchSampler(items, settings.batchSize, settings.seed);
    const most = settings.maxSteps ?? Number.POSITIVE_INFINITY;
    this.totalSteps = Math.min(settings.epochs * this.#sampler.stepsPerEpoch, most);
    this.#schedule = {
      kind: settings.schedule,
      warmupSteps: Math.round(settings.warmupShare * this.totalSteps),
      totalSteps: this.totalSteps,
      finalShare: settings.finalShare,
    };
  }

  /** The items of step `step`, counted from 0. */
  itemsAt(step: number): readonly number[] {
    return this.#sampler.itemsAt(step);
  }

  /** What step `step`, counted from 0, multiplies the peak learning rate by. */
  learningRateFactor(step: number): number {
    return learningRateFactor(this.#schedule, step);
  }

  /** Epochs completed after `steps` steps, as a fraction. */
  epochAfter(steps: number): number {
    return steps / this.#sampler.stepsPerEpoch;
  }

  /** Whether to validate after `steps` steps: before the first, at the interval of the settings, and after the last. */
  validatesAfter(steps: number): boolean {
    return steps === 0 || steps >= this.totalSteps || steps % this.#validateEvery === 0;
  }

  /** Validations still to come after `steps` steps, including one due right then. */
  validationsFrom(steps: number): number {
    const every = this.#validateEvery;
    return Math.ceil(this.totalSteps / every) - Math.floor((steps - 1) / every);
  }

  checkpointsAfter(steps: number): boolean {
    const { checkpointEvery } = this.#settings;
    const endsEpoch = steps % this.#sampler.stepsPerEpoch === 0;
    return endsEpoch || (checkpointEvery > 0 && steps % checkpointEvery === 0);
  }

  stopsAfter(validationsWithoutBetter: number): boolean {
    const { patience } = this.#settings;
    return patience > 0 && validationsWithoutBetter >= patience;
  }

  /** Whether nothing is left to do. */
  isOver({ step, validationsWithoutBetter }: Pick<RunState, "step" | "validationsWithoutBetter">): boolean {
    return step >= this.totalSteps || this.stopsAfter(validationsWithoutBetter);
  }

  get #validateEvery(): number {
    const { validateEvery } = this.#settings;
    return validateEvery === 0 ? this.#sampler.stepsPerEpoch : validateEvery;
  }
}
