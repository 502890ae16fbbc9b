// Near-duplicates of evaluation questions: two questions that share half of the shorter one's runs of five words.

import { readdirSync } from "node:fs";
import path from "node:path";
import { type BenchQuestion, benchQuestions } from "./questions.ts";

const RUN_WORDS = 5;
const NEAR_SHARE = 0.5;

type Asked = Pick<BenchQuestion, "question">;

export class Overlaps {
  /** The evaluation questions that have a run of words. */
  readonly #having = new Map<string, number[]>();
  readonly #sizes: number[] = [];

  /** Of all questions in DATA/bench that are for evaluation. */
  static async of(data: string): Promise<Overlaps> {
    const overlaps = new Overlaps();
    for (const file of readdirSync(path.join(data, "bench"))) {
      for (const question of await benchQuestions(data, path.parse(file).name)) {
        if (question.use === "eval") overlaps.#add(question);
      }
    }
    return overlaps;
  }

  #add(question: Asked): void {
    const runs = runsOf(question);
    for (const run of runs) this.#having.set(run, [...(this.#having.get(run) ?? []), this.#sizes.length]);
    this.#sizes.push(runs.size);
  }

  isNear(question: Asked): boolean {
    const runs = runsOf(question);
    const shared = new Map<number, number>();
    for (const run of runs) {
      for (const other of this.#having.get(run) ?? []) shared.set(other, (shared.get(other) ?? 0) + 1);
    }
    return [...shared].some(
      ([other, count]) => count >= NEAR_SHARE * Math.min(runs.size, this.#sizes[other]!),
    );
  }
}

/** All runs of words; a shorter question is one run. */
function runsOf({ question }: Asked): Set<string> {
  const words = question.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];
  const runs = new Set<string>();
  for (let at = 0; at + RUN_WORDS <= words.length; at++) runs.add(words.slice(at, at + RUN_WORDS).join(" "));
  if (runs.size === 0) runs.add(words.join(" "));
  return runs;
}
