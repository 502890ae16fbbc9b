// A question as it is asked, and the same with every choice made: task, labels, sampling, vote, baseline.

import { type Choice, inferTask, type Task } from "../answers/task.ts";
import { MagdiError } from "../base/errors.ts";
import type { SamplingParams } from "../engine/request.ts";
import { type Baseline, type Baselines, loadBaselines } from "../voting/baselines.ts";
import { ADAPTIVE_THRESHOLD, type EarlyStop } from "../voting/early-stop.ts";
import type { VoteRule } from "../voting/vote.ts";
import { questionSampling, type SamplingChoices } from "./sampling.ts";

export interface AskedQuestion extends SamplingChoices {
  readonly question: string;
  /** Default: multiple-choice with choices, else what inferTask says. */
  readonly task?: Task | undefined;
  /** Texts are labelled A, B, C, … */
  readonly choices?: readonly (string | Choice)[] | null | undefined;
  /** A text that the question is about. */
  readonly passage?: string | null | undefined;
  /** How many samples vote. Default 1. */
  readonly samples?: number | undefined;
  readonly vote?: VoteRule | undefined;
  readonly earlyStop?: EarlyStop | undefined;
  readonly adaptiveThreshold?: number | undefined;
  /** Name of the debate that costs are compared with. Default: the task's. */
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
  readonly baseline: Baseline;
}

const SHIPPED_BASELINES = loadBaselines();

/** @throws MagdiError MAGDI_BAD_REQUEST naming the field that is wrong */
export function resolveQuestion(
  asked: AskedQuestion,
  baselines: Baselines = SHIPPED_BASELINES,
): ResolvedQuestion {
  const { question, passage = null, samples = 1 } = asked;
  const { task, choices } = resolveTask(asked);
  return {
    question,
    task,
    choices,
    passage,
    samples,
    baseline: baselines.select(task, asked.baseline),
    sampling: questionSampling({ task, question, samples }, asked),
    vote: asked.vote ?? "majority",
    earlyStop: asked.earlyStop ?? "exact",
    adaptiveThreshold: asked.adaptiveThreshold ?? ADAPTIVE_THRESHOLD,
  };
}

/** The task, and the choices with their labels. @throws MagdiError MAGDI_BAD_REQUEST for a label that comes twice */
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
    throw new MagdiError("MAGDI_BAD_REQUEST", "choices: expected labels that differ, found one twice", {
      param: "choices",
    });
  }
  return { task: task ?? inferTask(question ?? "", labelled), choices: labelled };
}
