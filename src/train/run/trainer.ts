// The training loop: optimiser steps with gradient accumulation, validation, early stopping, checkpoints, metrics. It knows
// the training step and the data by their interfaces only.

import { POOLED_CENTRE } from "../../nn/training-graph.ts";
import { derivedSeed } from "../batches/seeded-random.ts";
import { hashOf, type TrainingData } from "../batches/training-data.ts";
import { type Accumulated, GradientSum, runBatches } from "../step/gradient-accumulation.ts";
import { AdamW, clipGlobalNorm, globalNorm } from "../step/optimiser.ts";
import type { TrainingStep } from "../step/training-step.ts";
import { type AdapterDescription, isHead, type RunOrigin, type RunState } from "./checkpoint.ts";
import { RunClock } from "./run-clock.ts";
import { BEST_FOLDER, CHECKPOINT_FOLDER, RunFiles } from "./run-files.ts";
import type { ValidationLine } from "./run-log.ts";
import { RunPlan } from "./run-plan.ts";
import { batchLimits, type TrainingSettings } from "./training-settings.ts";

export interface TrainingProgress {
  readonly step: number;
  readonly totalSteps: number;
  /** Of the last step, as are tokens per second; unweighted terms, of the losses that the run has. */
  readonly loss: number;
  readonly terms: Readonly<Partial<Record<"nll" | "margin" | "node", number>>>;
  readonly tokensPerSecond: number;
  readonly secondsLeft: number;
}

export interface TrainerOptions {
  readonly settings: TrainingSettings;
  /** Of settings, base and adapter; the trainer knows the data. */
  readonly origin: Omit<RunOrigin, "dataHash">;
  /** The run's folder, which exists. */
  readonly folder: string;
  /** With its parameters at their initial values. */
  readonly step: TrainingStep;
  readonly training: TrainingData;
  readonly validation: TrainingData | null;
  readonly adapter: AdapterDescription;
  /** When aborted, the run writes a checkpoint and ends after the current batch. */
  readonly signal: AbortSignal;
  /** Milliseconds. */
  readonly now: () => number;
  readonly onProgress?: (progress: TrainingProgress) => void;
  readonly onValidation?: (line: ValidationLine, isBest: boolean) => void;
}

export interface TrainingOutcome {
  readonly reason: "done" | "early-stop" | "interrupted";
  readonly step: number;
  readonly totalSteps: number;
  /** The best validation, whose parameters are in RUN/best; without validation, those of the last step are there. */
  readonly best: RunState["best"];
}

/**
 * Trains from the run's last checkpoint, or from the beginning. An interrupted and resumed run has the same results, bit for
 * bit, as an uninterrupted one.
 *
 * @throws MAGDI_DIVERGED naming step and items when a loss or gradient is not finite; MAGDI_NOT_WRITTEN;
 * MAGDI_BAD_FILE for a checkpoint of other settings, data or parameters. The last checkpoint stays.
 */
export async function train(options: TrainerOptions): Promise<TrainingOutcome> {
  return await new Trainer(options).run();
}

class Trainer {
  readonly #options: TrainerOptions;
  readonly #plan: RunPlan;
  readonly #clock: RunClock;
  readonly #optimiser: AdamW;
  readonly #files: RunFiles;
  readonly #resumedStep: number;
  #state: RunState;

  constructor(options: TrainerOptions) {
    this.#options = options;
    const { settings, step, training, validation } = options;
    this.#plan = new RunPlan(settings, training.items.length);
    const { learningRate, headLearningRate } = settings;
    this.#optimiser = new AdamW(step.parameters, {
      ...settings,
      learningRate: (key) =>
        key === POOLED_CENTRE ? 0 : isHead(key) ? (headLearningRate ?? learningRate) : learningRate,
    });
    const { settingsHash, ...others } = options.origin;
    const origin = { settingsHash, dataHash: hashOf(training, validation), ...others };
    const isOver = (state: RunState): boolean => this.#plan.isOver(state);
    this.#files = new RunFiles({ ...options, optimiser: this.#optimiser, origin, isOver });
    this.#state = this.#files.opened;
    this.#resumedStep = this.#state.step;
    this.#clock = new RunClock(options.now, this.#state.seconds);
  }

  async run(): Promise<TrainingOutcome> {
    try {
      for (;;) {
        if (this.#validationIsDue() && !(await this.#validate())) return this.#interrupted();
        const { step, finished, validationsWithoutBetter } = this.#state;
        const early = this.#plan.stopsAfter(validationsWithoutBetter);
        if (this.#plan.isOver(this.#state)) {
          const reason = early ? "early-stop" : "done";
          if (!finished) this.#finish(reason);
          return this.#outcome(reason);
        }
        if (step > this.#resumedStep && this.#plan.checkpointsAfter(step))
          this.#files.save(CHECKPOINT_FOLDER, this.#state);
        if (!(await this.#step())) return this.#interrupted();
      }
    } finally {
      this.#files.close();
    }
  }

  #validationIsDue(): boolean {
    const { step, validatedStep, finished } = this.#state;
    if (this.#options.validation === null || validatedStep >= step || finished) return false;
    return this.#plan.validatesAfter(step);
  }

  /** One optimiser step. Returns false, with nothing changed, when the run was interrupted. */
  async #step(): Promise<boolean> {
    const { settings, step, training, signal } = this.#options;
    const index = this.#state.step;
    const secondsTaken = this.#clock.begin();
    const gradients = new GradientSum(step.gradients);
    const done = await runBatches({
      step,
      data: training,
      items: this.#plan.itemsAt(index),
      mode: "train",
      limits: batchLimits(settings),
      place: `step ${index + 1}`,
      batchSeed: derivedSeed(settings.seed, "batch", index),
      dropoutSeed: derivedSeed(settings.seed, "dropout", index),
      signal,
      onBatch: (names, last) => gradients.add(last, `step ${index + 1}`, names),
    });
    if (done === null) return false;
    const norm =
      settings.clipNorm > 0 ? clipGlobalNorm(gradients.sum, settings.clipNorm) : globalNorm(gradients.sum);
    const learningRateFactor = this.#plan.learningRateFactor(index);
    this.#optimiser.step(gradients.sum, learningRateFactor);
    const seconds = secondsTaken();
    this.#clock.stepTook(seconds);
    const tokensPerSecond = seconds > 0 ? done.tokens / seconds : 0;
    this.#state = {
      ...this.#state,
      step: index + 1,
      tokens: this.#state.tokens + done.tokens,
      seconds: this.#clock.seconds,
    };
    this.#files.append({
      kind: "step",
      step: index + 1,
      epoch: this.#plan.epochAfter(index + 1),
      ...lossesOf(done),
      nodeAccuracy: accuracy(done),
      learningRate: settings.learningRate * learningRateFactor,
      gradientNorm: norm,
      tokens: done.tokens,
      tokensPerSecond,
      seconds: this.#state.seconds,
    });
    this.#reportProgress(done, tokensPerSecond);
    return true;
  }

  #reportProgress(losses: Accumulated, tokensPerSecond: number): void {
    const { step } = this.#state;
    const { totalSteps } = this.#plan;
    const validations = this.#options.validation === null ? 0 : this.#plan.validationsFrom(step);
    const secondsLeft = this.#clock.secondsFor(totalSteps - step, validations);
    const terms = Object.fromEntries(this.#options.settings.losses.map((loss) => [loss, losses[loss]]));
    this.#options.onProgress?.({
      step,
      totalSteps,
      loss: losses.total,
      terms,
      tokensPerSecond,
      secondsLeft,
    });
  }

  /** Returns false, with nothing changed, when the run was interrupted. */
  async #validate(): Promise<boolean> {
    const { settings, step, validation, signal } = this.#options;
    if (validation === null) return true;
    const secondsTaken = this.#clock.begin();
    const done = await runBatches({
      step,
      data: validation,
      items: validation.items.map((_, index) => index),
      mode: "validate",
      limits: batchLimits(settings),
      place: `the validation after step ${this.#state.step}`,
      batchSeed: 0,
      dropoutSeed: 0,
      signal,
    });
    if (done === null) return false;
    this.#clock.validationTook(secondsTaken());
    const at = this.#state.step;
    const line: ValidationLine = {
      kind: "validation",
      step: at,
      epoch: this.#plan.epochAfter(at),
      ...lossesOf(done),
      nodeAccuracy: accuracy(done),
      majorityAccuracy: this.#hasNodeLoss() ? done.commonest / done.nodes : null,
    };
    this.#files.append(line);
    this.#state = { ...this.#state, validatedStep: at };
    // The untrained student is the start of the loss curve, but not a candidate for the best.
    if (at === 0) {
      this.#options.onValidation?.(line, false);
      return true;
    }
    const better = this.#state.best === null || done.total < this.#state.best.loss;
    this.#state = {
      ...this.#state,
      best: better ? { step: at, loss: done.total } : this.#state.best,
      validationsWithoutBetter: better ? 0 : this.#state.validationsWithoutBetter + 1,
      seconds: this.#clock.seconds,
    };
    if (better) {
      this.#files.append({ kind: "best", step: at, loss: done.total });
      this.#files.save(BEST_FOLDER, this.#state);
    }
    this.#options.onValidation?.(line, better);
    return true;
  }

  #hasNodeLoss(): boolean {
    return this.#options.settings.losses.includes("node");
  }

  #finish(reason: "done" | "early-stop"): void {
    this.#state = { ...this.#state, finished: true, seconds: this.#clock.seconds };
    if (this.#options.validation === null) this.#files.save(BEST_FOLDER, this.#state);
    this.#files.save(CHECKPOINT_FOLDER, this.#state);
    this.#files.append({ kind: "end", step: this.#state.step, reason, seconds: this.#state.seconds });
  }

  #interrupted(): TrainingOutcome {
    this.#state = { ...this.#state, seconds: this.#clock.seconds };
    this.#files.save(CHECKPOINT_FOLDER, this.#state);
    return this.#outcome("interrupted");
  }

  #outcome(reason: TrainingOutcome["reason"]): TrainingOutcome {
    return { reason, step: this.#state.step, totalSteps: this.#plan.totalSteps, best: this.#state.best };
  }
}

const lossesOf = ({ total, nll, margin, node }: Accumulated) => ({ loss: total, nll, margin, node });

const accuracy = ({ nodesRight, classified }: Accumulated): number | null =>
  classified === 0 ? null : nodesRight / classified;
