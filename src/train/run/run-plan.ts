// What a run does when: the items and the learning rate of each optimiser step, after which steps it validates and keeps a
// checkpoint, and when it stops early. It runs nothing.

import { Sampler } from "../batches/sampler.ts";
import { rateShareAt, type Schedule } from "../step/schedule.ts";
import type { TrainingSettings } from "./training-settings.ts";

export class RunPlan {
  readonly totalSteps: number;
  readonly #settings: TrainingSettings;
  readonly #sampler: Sampler;
  readonly #schedule: Schedule;

  /** Over so many items an epoch. */
  constructor(settings: TrainingSettings, items: number) {
    this.#settings = settings;
    this.#sampler = new Sampler(items, settings.batchSize, settings.seed);
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
    return this.#sampler.at(step).items;
  }

  /** The share of the highest learning rate that step `step` has, counted from 0. */
  rateShareAt(step: number): number {
    return rateShareAt(this.#schedule, step);
  }

  /** Epochs done after so many steps, with a fraction. */
  epochAfter(steps: number): number {
    return steps / this.#sampler.stepsPerEpoch;
  }

  /** Whether to validate after so many steps: before the first, as planned, and after the last. */
  validatesAfter(steps: number): boolean {
    return steps === 0 || steps >= this.totalSteps || steps % this.#validateEvery === 0;
  }

  /** Validations that are still to come once so many steps are done, with the one right after them. */
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

  get #validateEvery(): number {
    const { validateEvery } = this.#settings;
    return validateEvery === 0 ? this.#sampler.stepsPerEpoch : validateEvery;
  }
}
