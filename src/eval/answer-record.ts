// One answered question: a line of the file of answers that a report is computed from. Equal seeds give equal lines.

import { createHash } from "node:crypto";
import { z } from "zod";
import { answersEqual } from "../answers/answer.ts";
import { type FinishedSample, Voter } from "../voting/voter.ts";
import type { Answered } from "./asker.ts";
import type { Question } from "./question-formats.ts";
import type { EvalSettings } from "./settings.ts";

const sampleSchema = z.strictObject({
  index: z.number().int(),
  text: z.string(),
  answer: z.string().nullable(),
  /** Null if the server does not report them. */
  tokens: z.number().nullable(),
  /** Null without tokens, or if the server does not report it. */
  logprob_mean: z.number().nullable(),
  finish_reason: z.enum(["stop", "length"]),
});

export const answerRecordSchema = z.strictObject({
  dataset: z.string(),
  id: z.string(),
  seed: z.number().int(),
  gold: z.string(),
  answer: z.string().nullable(),
  correct: z.boolean(),
  prompt_tokens: z.number().nullable(),
  samples: z.array(sampleSchema),
  /** Why there are no samples. */
  error: z.enum(["context_length"]).optional(),
});

export type AnswerRecord = z.output<typeof answerRecordSchema>;

/** A question's seed does not depend on the other questions; 31 bits, which every server accepts. */
export function seedOf(settings: EvalSettings, { dataset, id }: Question): number {
  const hash = createHash("sha256")
    .update(JSON.stringify([settings.seed, dataset, id]))
    .digest();
  return hash.readUInt32BE(0) >>> 1;
}

/** Reads and votes on a question's samples with the server's own code. */
export function recordOf(
  question: Question,
  settings: EvalSettings,
  seed: number,
  { samples, promptTokens }: Answered,
): AnswerRecord {
  const { dataset, id, gold, task, choices } = question;
  const voter = new Voter({
    task,
    choices,
    samples: settings.samples,
    rule: settings.vote,
    earlyStop: "off",
  });
  for (const sample of samples) voter.add(sample);
  const { answer, samples: reports } = voter.result();
  return {
    dataset,
    id,
    seed,
    gold,
    answer,
    correct: answer !== null && answersEqual(task, answer, gold, { choices }),
    prompt_tokens: promptTokens,
    samples: reports.map(({ index, text, answer: read, tokens, logprobMean, finishReason }) => ({
      index,
      text,
      answer: read,
      tokens: orNull(tokens),
      logprob_mean: orNull(logprobMean),
      finish_reason: finishReason === "length" ? "length" : "stop",
    })),
  };
}

function orNull(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}

/** Generated tokens of all samples; those without a count count as 0. */
export function tokensOf(record: AnswerRecord): number {
  return record.samples.reduce((total, { tokens }) => total + (tokens ?? 0), 0);
}

/** A sample as the voter takes it. */
export function finishedSampleOf(sample: AnswerRecord["samples"][number]): FinishedSample {
  return {
    index: sample.index,
    text: sample.text,
    tokens: sample.tokens ?? Number.NaN,
    logprobMean: sample.logprob_mean ?? Number.NaN,
    finishReason: sample.finish_reason,
  };
}

/** Reads and votes on a record's samples again, so that a run continued by another version is read by one version. */
export function rereadRecord(question: Question, settings: EvalSettings, record: AnswerRecord): AnswerRecord {
  if (record.error !== undefined) return record;
  const samples = record.samples.map(finishedSampleOf);
  return recordOf(question, settings, record.seed, { samples, promptTokens: record.prompt_tokens });
}

/** A question whose prompt is too long counts as unanswered. */
export function tooLongRecord({ dataset, id, gold }: Question, seed: number): AnswerRecord {
  const none = { answer: null, correct: false, prompt_tokens: null, samples: [] };
  return { dataset, id, seed, gold, ...none, error: "context_length" };
}

/** Identifies a question within a run. */
export function questionKey({ dataset, id }: { readonly dataset: string; readonly id: string }): string {
  return JSON.stringify([dataset, id]);
}
