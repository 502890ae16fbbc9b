// Asks all questions that the journal lacks, as many at once as the asker can use, and reports progress.

import { setMaxListeners } from "node:events";
import type { Clock } from "../base/clock.ts";
import { MagdiError } from "../base/errors.ts";
import { type AnswerRecord, questionKey, recordOf, seedOf, tooLongRecord } from "./answer-record.ts";
import type { Asker } from "./asker.ts";
import type { Journal } from "./journal.ts";
import type { Question } from "./question-formats.ts";
import type { EvalSettings } from "./settings.ts";

export interface RunProgress {
  readonly dataset: string;
  /** Answered questions, including those of earlier sessions. */
  readonly done: number;
  readonly total: number;
  /** Of the answered questions. */
  readonly accuracy: number;
  readonly secondsLeft: number;
}

export interface RunOptions {
  readonly questions: readonly Question[];
  readonly settings: EvalSettings;
  readonly asker: Asker;
  readonly journal: Journal;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  onProgress?(progress: RunProgress): void;
}

/**
 * The answers in the order of the questions.
 * @throws MagdiError MAGDI_CANCELLED after an abort, or the asker's error; the journal keeps what was answered
 */
export async function runQuestions(options: RunOptions): Promise<AnswerRecord[]> {
  const { questions, settings, asker, journal, clock } = options;
  const answered = new Map(journal.lines.map(({ record }) => [questionKey(record), record]));
  const open = questions.filter((question) => !answered.has(questionKey(question)));
  const startMs = clock.nowMs();
  const stop = new AbortController();
  const signal = AbortSignal.any([options.signal, stop.signal]);
  setMaxListeners(0, signal); // one listener per running question
  const before = answered.size;
  let correct = [...answered.values()].filter((record) => record.correct).length;
  let next = 0;

  const work = async (): Promise<void> => {
    for (let question = open[next++]; question !== undefined; question = open[next++]) {
      signal.throwIfAborted();
      const record = await answer(question, settings, asker, signal);
      const seconds = (clock.nowMs() - startMs) / 1000;
      answered.set(questionKey(question), record);
      journal.add(record, seconds);
      if (record.correct) correct += 1;
      const here = answered.size - before;
      options.onProgress?.({
        dataset: question.dataset,
        done: answered.size,
        total: questions.length,
        accuracy: correct / answered.size,
        secondsLeft: (seconds / here) * (open.length - here),
      });
    }
  };
  const workers = Array.from({ length: Math.min(open.length, asker.concurrency(settings.samples)) }, () =>
    work().catch((error: unknown) => {
      stop.abort(error); // cancels the others; the first error is the run's
      throw error;
    }),
  );
  const outcomes = await Promise.allSettled(workers);
  if (options.signal.aborted) {
    throw new MagdiError(
      "MAGDI_CANCELLED",
      `stopped with ${answered.size} of ${questions.length} questions answered`,
    );
  }
  if (outcomes.some(({ status }) => status === "rejected")) throw stop.signal.reason;
  return questions.map((question) => answered.get(questionKey(question))!); // every one is answered now
}

async function answer(
  question: Question,
  settings: EvalSettings,
  asker: Asker,
  signal: AbortSignal,
): Promise<AnswerRecord> {
  const seed = seedOf(settings, question);
  try {
    return recordOf(question, settings, seed, await asker.ask(question, seed, signal));
  } catch (error) {
    if (error instanceof MagdiError && error.code === "MAGDI_CONTEXT_LENGTH")
      return tooLongRecord(question, seed);
    throw error;
  }
}
