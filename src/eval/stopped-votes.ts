// Votes that stop early, replayed on the samples of a data set's answers: how often they are right and what they generate,
// when all samples start at once and when they start in waves.

import { answersEqual } from "../answers/answer.ts";
import type { EarlyStop } from "../voting/early-stop.ts";
import type { VotingSample } from "../voting/vote.ts";
import { type AnswerRecord, finishedSampleOf, tokensOf } from "./answer-record.ts";
import { sum } from "./measures/distribution.ts";
import { replayEarlyStop } from "./measures/early-stop-replay.ts";
import { wilsonInterval } from "./measures/wilson.ts";
import type { Question } from "./question-formats.ts";
import type { EvalSettings } from "./settings.ts";

export interface EarlyStopSummary {
  readonly accuracy: number;
  /** Share of questions with the answer of the full vote. */
  readonly agreement: number;
  readonly decided_at: number;
  readonly tokens_per_answer: number;
  /** Share of the full vote's tokens. */
  readonly tokens_saved: number;
}

/** What a vote of the first `samples` samples comes to when it stops by `rule`, and starts `wave` of them at a time. */
export interface WaveSummary {
  readonly samples: number;
  readonly rule: EarlyStop;
  /** Null: all at once. */
  readonly wave: number | null;
  readonly accuracy: number;
  readonly accuracy_ci95: readonly [number, number];
  readonly samples_run: number;
  readonly tokens_per_answer: number;
}

interface Answered {
  readonly record: AnswerRecord;
  readonly question: Question;
  /** What was read of the record's samples, in their order. */
  readonly ballots: readonly VotingSample[];
}

/** Replays each question's vote over its first `samples` samples; questions without samples are left out. */
function replayed(
  answered: readonly Answered[],
  settings: EvalSettings,
  { samples, rule, wave }: Pick<WaveSummary, "samples" | "rule" | "wave">,
) {
  const asked = answered.filter(({ record }) => record.samples.length > 0);
  return asked.map(({ record, question, ballots }) => {
    const { task, choices, gold } = question;
    const finished = record.samples.map((sample, place) => {
      const ballot = ballots[place];
      return { ...finishedSampleOf(sample), ...(ballot && { ballot }) };
    });
    const replay = replayEarlyStop(finished.slice(0, samples), {
      task,
      choices,
      rule: settings.vote,
      earlyStop: rule,
      adaptiveThreshold: settings.adaptive_threshold,
      wave,
    });
    const equal = (other: string | null) =>
      replay.answer === null || other === null
        ? replay.answer === other
        : answersEqual(task, replay.answer, other, { choices });
    const full = tokensOf(record);
    return { ...replay, full, agrees: equal(record.answer), correct: replay.answer !== null && equal(gold) };
  });
}

/** Numbers of samples that waves are counted for. */
const WAVE_SAMPLES = [1, 3, 5, 10, 20];

/** The full vote, and either rule with all samples at once and in waves, over the first samples of each question. */
export function waveSummaries(answered: readonly Answered[], settings: EvalSettings): WaveSummary[] {
  const ways = [
    { rule: "off", wave: null },
    ...(["exact", "adaptive"] as const).flatMap((rule) => [
      { rule, wave: null },
      { rule, wave: settings.wave },
    ]),
  ] as const;
  return WAVE_SAMPLES.filter((samples) => samples <= settings.samples).flatMap((samples) =>
    ways.map((way) => {
      const replays = replayed(answered, settings, { samples, ...way });
      const correct = replays.filter((replay) => replay.correct).length;
      return {
        samples,
        ...way,
        accuracy: correct / answered.length,
        accuracy_ci95: wilsonInterval(correct, answered.length),
        samples_run: sum(replays.map(({ started }) => started)) / Math.max(1, replays.length),
        tokens_per_answer: sum(replays.map(({ tokens }) => tokens)) / answered.length,
      };
    }),
  );
}

/** The vote of all samples, stopped by the rule. */
export function earlyStopSummary(
  answered: readonly Answered[],
  settings: EvalSettings,
  rule: "exact" | "adaptive",
): EarlyStopSummary {
  const replays = replayed(answered, settings, { samples: settings.samples, rule, wave: null });
  const tokens = sum(replays.map((replay) => replay.tokens));
  const full = sum(replays.map((replay) => replay.full));
  return {
    accuracy: replays.filter(({ correct }) => correct).length / answered.length,
    agreement: replays.filter(({ agrees }) => agrees).length / Math.max(1, replays.length),
    decided_at: sum(replays.map(({ decidedAt }) => decidedAt)) / Math.max(1, replays.length),
    tokens_per_answer: tokens / answered.length,
    tokens_saved: full === 0 ? 0 : 1 - tokens / full,
  };
}
