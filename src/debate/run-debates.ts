// Holds the debates of many questions at once, and stops cleanly: at the budget's end, at a signal, or at an agent that
// cannot be asked at all. It keeps none: what was said is read from the journal again.

import type { Question } from "../eval/question-formats.ts";
import type { Caller } from "./caller.ts";
import { type Debate, type DebateParts, holdDebate } from "./debate.ts";

export interface DebatesProgress {
  readonly done: number;
  readonly total: number;
  /** Of those that are done. */
  readonly consensus: number;
}

export interface DebatesRun {
  /** The questions whose debates came to their end, in order. */
  readonly ended: readonly Question[];
  /** Why the others did not; undefined when all did. */
  readonly stopped: unknown;
}

type Parts = DebateParts & { readonly caller: Pick<Caller, "call" | "halt" | "halted"> };

export async function runDebates(
  questions: readonly Question[],
  parts: Parts,
  onProgress: (progress: DebatesProgress) => void = () => {},
): Promise<DebatesRun> {
  let done = 0;
  let consensus = 0;
  return forEachQuestion(questions, parts, async (question) => {
    const debate = await holdDebate(question, parts);
    done += 1;
    consensus += Number(debate.consensus);
    onProgress({ done, total: questions.length, consensus });
  });
}

/**
 * Does `work` for as many questions at once as keep the busiest agent busy. Its first error halts the caller. After that the
 * others are still gone through: the journal may hold them whole.
 */
export async function forEachQuestion(
  questions: readonly Question[],
  { caller, agents }: Parts,
  work: (question: Question) => Promise<void>,
): Promise<DebatesRun> {
  const ended = questions.map(() => false);
  const open = questions.entries();
  const worker = async (): Promise<void> => {
    for (const [index, question] of open) {
      try {
        await work(question);
        ended[index] = true;
      } catch (error) {
        caller.halt(error); // the first reason counts
      }
    }
  };
  const atOnce = Math.max(...agents.map(({ limits }) => limits.concurrency));
  await Promise.all(Array.from({ length: Math.min(atOnce, questions.length) }, worker));
  return {
    ended: questions.filter((_, index) => ended[index]),
    stopped: ended.every(Boolean) ? undefined : caller.halted,
  };
}

/** The debates of questions that have ended, out of the journal, one after the other. */
export async function* endedDebates(
  questions: readonly Question[],
  parts: DebateParts,
): AsyncGenerator<Debate> {
  for (const question of questions) yield await holdDebate(question, parts);
}
