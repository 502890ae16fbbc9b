// A question as a caller writes it, and its resolution with all defaults: task, labels, sampling, vote, baseline.

import { type Choice, inferTask, type Task } from "../answers/task.ts";
import type { SamplingParams } from "../engine/request.ts";
import { type Baseline, type Baselines, loadBaselines } from "../voting/baselines.ts";
import { ADAPTIVE_THRESHOLD, type EarlyStop } from "../voting/early-stop.ts";
import type { VoteRule } from "../voting/vote.ts";
import { badField, questionSampling, type SamplingChoices } from "./sampling.ts";

export interface AskedQuestion extends SamplingChoices {
  readonly question: string;
  /** Default: multiple-choice if there are choices, otherwise see inferTask. */
  readonly task?: Task | undefined;
  /** Strings get the labels A, B, C, … */
  readonly choices?: readonly (string | Choice)[] | null | undefined;
  /** A text to answer the question from. */
  readonly passage?: string | null | undefined;
  /** Number of samples that vote. Default 1. */
  readonly samples?: number | undefined;
  readonly vote?: VoteRule | undefined;
  readonly earlyStop?: EarlyStop | undefined;
  readonly adaptiveThreshold?: number | undefined;
  /** Samples started at a time: more start when all of them have ended and the vote is not decided. Default: all. */
  readonly wave?: number | null | undefined;
  /** Name of the debate baseline to compare costs with. Default: the task's. */
  readonly baseline?: string | undefined;
}

export interface ResolvedQuestion {
  readonly question: string;
  readonly task: Task;
  readonly choices: readonly Choice[] | null;
  readonly passage: string | null;
  readonly samples: number;
  readonly sampling: SamplingParams;
  readonly vote: VoteRule;
  readonly earlyStop: EarlyStop;
  readonly adaptiveThreshold: number;
  /** Null: all samples start at once. */
  readonly wave: number | null;
  readonly baseline: Baseline;
}

const SHIPPED_BASELINES = loadBaselines();

/** @throws MagdiError MAGDI_BAD_REQUEST naming the invalid field */
export function resolveQuestion(
  asked: AskedQuestion,
  baselines: Baselines = SHIPPED_BASELINES,
): ResolvedQuestion {
  const { question, passage = null, samples = 1 } = asked;
  const { task, choices } = resolveTask(asked);
  const earlyStop = asked.earlyStop ?? "exact";
  return {
    question,
    task,
    choices,
    passage,
    samples,
    baseline: baselines.select(task, asked.baseline),
    sampling: questionSampling({ task, question, samples }, asked),
    vote: asked.vote ?? "majority",
    earlyStop,
    adaptiveThreshold: asked.adaptiveThreshold ?? ADAPTIVE_THRESHOLD,
    wave: resolveWave(asked.wave ?? null, earlyStop),
  };
}

function resolveWave(wave: number | null, earlyStop: EarlyStop): number | null {
  if (wave === null) return null;
  if (!Number.isSafeInteger(wave) || wave < 1) {
    throw badField("wave", `expected a whole number, 1 or more, found ${wave}`);
  }
  if (earlyStop === "off") {
    throw badField(
      "wave",
      "expected no wave without early stopping, where all samples are needed; leave it out, or stop early: exact or adaptive",
    );
  }
  return wave;
}

/** The task, and the choices with their labels. @throws MagdiError MAGDI_BAD_REQUEST for a duplicate label */
export function resolveTask({
  question,
  task,
  choices,
}: Pick<AskedQuestion, "task" | "choices"> & { readonly question?: string | undefined }): {
  readonly task: Task;
  readonly choices: readonly Choice[] | null;
} {
  const labelled =
    choices?.map((choice, index) =>
      typeof choice === "string" ? { label: String.fromCharCode(65 + index), text: choice } : choice,
    ) ?? null;
  const labels = new Set(labelled?.map((choice) => choice.label.toLowerCase()));
  if (labelled !== null && labels.size < labelled.length) {
    throw badField("choices", "expected distinct labels, found one twice");
  }
  return { task: task ?? inferTask(question ?? "", labelled), choices: labelled };
}
