// The benchmarks' questions, as the data folder has them.

import path from "node:path";
import type { Choice } from "../../src/answers/task.ts";
import { readJsonRecords } from "../../src/base/files/json-records.ts";

export interface BenchQuestion {
  readonly id: string;
  readonly question: string;
  readonly choices: readonly Choice[] | null;
  readonly answer: string;
  readonly use: "train" | "eval";
  /** StrategyQA's. */
  readonly facts?: readonly string[];
}

export async function benchQuestions(data: string, bench: string): Promise<BenchQuestion[]> {
  const found: BenchQuestion[] = [];
  for await (const record of records<BenchQuestion>(path.join(data, "bench", `${bench}.jsonl`))) {
    found.push({ ...record, choices: record.choices ?? null });
  }
  return found;
}

/** The records of a file, in the shape that its source has. */
export async function* records<T>(file: string): AsyncGenerator<T> {
  for await (const { value } of readJsonRecords(file)) yield value as T; // our own files
}
