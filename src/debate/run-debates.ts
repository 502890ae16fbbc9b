// Holds the debates of many questions at once, and stops cleanly: at the budget's end, at a signal, or at an agent that
// cannot be asked at all.

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
  /** Those that came to their end, in the order of the questions. */
  readonly debates: readonly Debate[];
  /** Why the others did not; undefined when all did. */
  readonly stopped: unknown;
}

/** As many questions at once as keep the busiest agent busy. */
export async function runDebates(
  questions: readonly Question[],
  parts: DebateParts & { readonly caller: Caller },
  onProgress: (progress: DebatesProgress) => void = () => {},
): Promise<DebatesRun> {
  const { caller, agents } = parts;
  const debates: (Debate | undefined)[] = questions.map(() => undefined);
  const open = questions.entries();
  let done = 0;
  let consensus = 0;
  const work = async (): Promise<void> => {
    // After a halt the others that the journal holds whole are still gone through.
    for (const [index, question] of open) {
      try {
        const debate = await holdDebate(question, parts);
        debates[index] = debate;
        done += 1;
        consensus += Number(debate.consensus);
        onProgress({ done, total: questions.length, consensus });
      } catch (error) {
        caller.halt(error); // the first reason counts
      }
    }
  };
  const atOnce = Math.max(...agents.map(({ limits }) => limits.concurrency));
  await Promise.all(Array.from({ length: Math.min(atOnce, questions.length) }, work));
  const ended = debates.filter((debate) => debate !== undefined);
  return { debates: ended, stopped: ended.length === questions.length ? undefined : caller.halted };
}
