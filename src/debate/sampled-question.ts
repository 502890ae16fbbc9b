// The samples of one agent alone on one debated question, as they are written and read: the baseline that a debate has
// to beat.

import { z } from "zod";
import { checked } from "../base/files/json-file.ts";
import { readJsonRecords } from "../base/files/json-records.ts";
import { tally } from "../voting/vote.ts";

const tokens = z.int().min(0).nullable();

const sampleSchema = z.strictObject({
  /** From 0: its own answer in round 0 of the debate. */
  sample: z.int().min(0),
  /** Null when none could be read, or the agent failed for good. */
  answer: z.string().nullable(),
  /** What answers are compared by. */
  key: z.string().nullable(),
  correct: z.boolean(),
  confidence: z.number().nullable(),
  /** Why there is no answer; null for an answer. */
  error: z.string().nullable(),
  prompt_tokens: tokens,
  completion_tokens: tokens,
  usd: z.number().nullable(),
});

const sampledSchema = z.strictObject({
  benchmark: z.string(),
  question_id: z.string(),
  agent: z.string(),
  samples: z.array(sampleSchema).min(1),
});

export type AloneSample = z.output<typeof sampleSchema>;
export type SampledQuestion = z.output<typeof sampledSchema>;

/** @throws MAGDI_FILE_MISSING, MAGDI_BAD_FILE */
export async function* readSampledQuestions(file: string): AsyncGenerator<SampledQuestion> {
  for await (const { value, where } of readJsonRecords(file)) yield checked(sampledSchema, value, where);
}

/** Whether the majority of the first `count` samples is right; ties as everywhere, a missing confidence as 0. */
export function isMajorityRight({ samples }: Pick<SampledQuestion, "samples">, count: number): boolean {
  const voting = samples.slice(0, count);
  const { key } = tally(
    voting.map(({ sample, key: answer, answer: display, confidence }) => ({
      ...{ index: sample, answer, display, confidence: confidence ?? 0 },
    })),
    "majority",
  );
  return key !== null && voting.some((sample) => sample.key === key && sample.correct);
}
