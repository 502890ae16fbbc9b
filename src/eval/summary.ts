// Summarises the answers to one data set: accuracy, tokens, stop reasons, calibration, and from the same samples the
// accuracy of fewer samples and of early stopping.

import { answersEqual, canonicalAnswer, runsOn } from "../answers/answer.ts";
import type { Baselines } from "../voting/baselines.ts";
import { confidenceOf, tally, type VoteRule, type VotingSample } from "../voting/vote.ts";
import { type AnswerRecord, tokensOf } from "./answer-record.ts";
import { knownDataset } from "./datasets.ts";
import { type Calibration, calibrationOf, type Judgement } from "./measures/calibration.ts";
import { type Distribution, distributionOf, mean, sum } from "./measures/distribution.ts";
import { type JudgedSample, subsetAccuracy } from "./measures/subset-accuracy.ts";
import { wilsonInterval } from "./measures/wilson.ts";
import type { Question } from "./question-formats.ts";
import type { EvalSettings } from "./settings.ts";
import { type EarlyStopSummary, earlyStopSummary, type WaveSummary, waveSummaries } from "./stopped-votes.ts";

export interface DatasetSummary {
  readonly dataset: string;
  readonly task: string;
  readonly questions: number;
  readonly samples: number;
  readonly correct: number;
  readonly accuracy: number;
  readonly accuracy_ci95: readonly [number, number];
  /** Accuracy with each rule of voting. */
  readonly accuracy_by_vote: Readonly<Record<VoteRule, number>>;
  /** Generated tokens of all samples of a question; this and the next four are null if a server reports none. */
  readonly tokens_per_answer: number | null;
  readonly tokens_per_answer_distribution: Distribution | null;
  readonly tokens_per_sample: number | null;
  readonly tokens_per_sample_distribution: Distribution | null;
  /** Null if the server does not report them. */
  readonly prompt_tokens_per_question: number | null;
  readonly total_tokens: number | null;
  /** Shares of all samples: those without an answer, and those that reached max_tokens. */
  readonly unparsed: number;
  readonly length_stops: number;
  /** Share of all samples that run on into another turn behind their answer; absent in older reports. */
  readonly run_ons?: number;
  /** Share of questions without an answer, and the number of those whose prompt exceeds the context. */
  readonly unanswered: number;
  readonly too_long: number;
  readonly accuracy_by_samples: readonly {
    readonly samples: number;
    readonly accuracy: number;
    readonly tokens_per_answer: number | null;
  }[];
  readonly early_stop: { readonly exact: EarlyStopSummary; readonly adaptive: EarlyStopSummary } | null;
  /** Null for one sample, or without token counts; absent in older reports. */
  readonly waves?: readonly WaveSummary[] | null;
  readonly calibration: {
    /** Of the winner's vote share; null for one sample. */
    readonly vote_share: Calibration | null;
    /** Of the confidence of the answer's best sample; null without log-probabilities. */
    readonly confidence: Calibration | null;
  };
  readonly debate: {
    readonly baseline: string;
    readonly tokens: number;
    /** Debate tokens over the generated ones, and over those with the prompt. */
    readonly ratio: number | null;
    readonly ratio_with_prompt: number | null;
    /** The paper's student on the same benchmark. */
    readonly student_tokens: number | null;
    readonly source: string;
  };
}

interface Judged {
  readonly record: AnswerRecord;
  readonly question: Question;
  readonly ballots: readonly VotingSample[];
  readonly samples: readonly JudgedSample[];
}

/** Records and questions of one data set, in the same order. */
export function summarise(
  questions: readonly Question[],
  records: readonly AnswerRecord[],
  settings: EvalSettings,
  baselines: Baselines,
): DatasetSummary {
  const first = questions[0]!; // data sets are found by their questions
  const judged = questions.map((question, index) => judge(question, records[index]!));
  const all = judged.flatMap(({ record }) => record.samples);
  const isCounted = all.every(({ tokens: count }) => count !== null);
  const tokens = isCounted ? records.map(tokensOf) : [];
  const perAnswer = isCounted ? mean(tokens) : null;
  const prompts = records.flatMap(({ prompt_tokens: count }) => (count === null ? [] : [count]));
  const correct = records.filter((record) => record.correct).length;
  const promptTokens = prompts.length === 0 ? null : mean(prompts);
  const share = (count: number, of: number) => (of === 0 ? 0 : count / of);
  return {
    dataset: first.dataset,
    task: first.task,
    questions: questions.length,
    samples: settings.samples,
    correct,
    accuracy: correct / questions.length,
    accuracy_ci95: wilsonInterval(correct, questions.length),
    accuracy_by_vote: {
      majority: accuracyOf(judged, "majority"),
      confidence: accuracyOf(judged, "confidence"),
    },
    tokens_per_answer: perAnswer,
    tokens_per_answer_distribution: distributionOf(tokens),
    tokens_per_sample: isCounted ? share(sum(tokens), all.length) : null,
    tokens_per_sample_distribution: distributionOf(isCounted ? all.map((sample) => sample.tokens ?? 0) : []),
    prompt_tokens_per_question: promptTokens,
    total_tokens: isCounted ? sum(tokens) : null,
    unparsed: share(all.filter(({ answer }) => answer === null).length, all.length),
    length_stops: share(all.filter(({ finish_reason: reason }) => reason === "length").length, all.length),
    run_ons: share(sum(judged.map(runOnsOf)), all.length),
    unanswered: share(records.filter(({ answer }) => answer === null).length, records.length),
    too_long: records.filter(({ error }) => error === "context_length").length,
    accuracy_by_samples: accuracyBySamples(judged, settings, perAnswer),
    early_stop:
      settings.samples === 1 || !isCounted
        ? null
        : {
            exact: earlyStopSummary(judged, settings, "exact"),
            adaptive: earlyStopSummary(judged, settings, "adaptive"),
          },
    waves: settings.samples === 1 || !isCounted ? null : waveSummaries(judged, settings),
    calibration: calibration(judged, settings),
    debate: debateOf(first, baselines, perAnswer, promptTokens),
  };
}

function runOnsOf({ record, question: { task, choices } }: Judged): number {
  return record.samples.filter(({ text }) => runsOn(task, text, { choices })).length;
}

function judge(question: Question, record: AnswerRecord): Judged {
  const { task, choices, gold } = question;
  const ballots = record.samples.map(({ index, answer, logprob_mean: logprob }) => ({
    index,
    answer: answer === null ? null : canonicalAnswer(task, answer, { choices }),
    display: answer,
    confidence: confidenceOf(logprob ?? Number.NaN),
  }));
  const right = new Map<string | null, boolean>();
  const samples = ballots.map(({ index, answer, display, confidence }) => {
    const known = right.get(answer) ?? (display !== null && answersEqual(task, display, gold, { choices }));
    right.set(answer, known);
    return { index, answer, confidence, correct: known };
  });
  return { record, question, ballots, samples };
}

function accuracyOf(judged: readonly Judged[], rule: VoteRule): number {
  const right = judged.filter(({ ballots, samples }) => {
    const { key } = tally(ballots, rule);
    return key !== null && samples.some(({ answer, correct }) => answer === key && correct);
  });
  return right.length / judged.length;
}

function accuracyBySamples(
  judged: readonly Judged[],
  settings: EvalSettings,
  tokensPerAnswer: number | null,
) {
  const { samples, vote, seed } = settings;
  return Array.from({ length: samples }, (_, index) => {
    const size = index + 1;
    const asked = judged.map((one) =>
      one.samples.length === 0 ? 0 : subsetAccuracy(one.samples, size, vote, seed),
    );
    const tokens = tokensPerAnswer === null ? null : (tokensPerAnswer * size) / samples;
    return { samples: size, accuracy: mean(asked), tokens_per_answer: tokens };
  });
}

function calibration(
  judged: readonly Judged[],
  { samples, vote }: EvalSettings,
): DatasetSummary["calibration"] {
  const shares: Judgement[] = [];
  const confidences: Judgement[] = [];
  for (const { ballots, record } of judged) {
    const { votes, speaker } = tally(ballots, vote);
    const { correct } = record;
    shares.push({ score: votes[0]?.share ?? 0, correct });
    confidences.push({ score: ballots.find(({ index }) => index === speaker)?.confidence ?? 0, correct });
  }
  const tells = judged.some(({ record }) => record.samples.some((sample) => sample.logprob_mean !== null));
  return {
    vote_share: samples === 1 ? null : calibrationOf(shares),
    confidence: tells ? calibrationOf(confidences) : null,
  };
}

function debateOf(
  { dataset, task }: Question,
  baselines: Baselines,
  tokens: number | null,
  promptTokens: number | null,
): DatasetSummary["debate"] {
  const baseline = baselines.select(task, knownDataset(dataset)?.baseline ?? null);
  return {
    baseline: baseline.name,
    tokens: baseline.tokens,
    ratio: tokens === null || tokens === 0 ? null : baseline.tokens / tokens,
    ratio_with_prompt:
      tokens === null || promptTokens === null ? null : baseline.tokens / (tokens + promptTokens),
    student_tokens: baseline.studentTokens,
    source: baseline.source,
  };
}
