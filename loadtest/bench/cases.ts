// The cases of the benchmark: workload and metric of each.
import { decodeRate, type Workload, type WorkloadTime } from "./workload.ts";

export interface BenchCase {
  readonly name: string;
  readonly unit: "tok/s" | "ms";
  readonly workload: Workload;
  /** A subject may need to run another workload for a part of the number; see transformers.js' first token. */
  value(time: WorkloadTime): number;
}

/** Cuts and joins questions into prompts of exact lengths. */
export interface PromptSource {
  /** One prompt of `tokens` ids; different numbers give different questions. */
  prompt(tokens: number, number: number): number[];
}

const SAMPLE_TEMPERATURE = 0.7;

/** @throws nothing; `rows` bounds the widest step */
export function benchCases(source: PromptSource, rows: number): BenchCase[] {
  const one = (tokens: number) => [source.prompt(tokens, 0)];
  const firstToken = (tokens: number): BenchCase => ({
    name: `first token, ${tokens}-token prompt`,
    unit: "ms",
    workload: { prompts: one(tokens), samples: 1, maxTokens: 2, temperature: 0 },
    value: ({ firstTokenMs }) => firstTokenMs,
  });
  const samples = Math.min(10, rows);
  const questions = Math.min(16, rows);
  return [
    {
      name: "one stream",
      unit: "tok/s",
      workload: { prompts: one(64), samples: 1, maxTokens: 128, temperature: 0 },
      value: (time) => decodeRate(time, 1),
    },
    {
      name: `${samples} samples of one question`,
      unit: "tok/s",
      workload: { prompts: one(64), samples, maxTokens: 64, temperature: SAMPLE_TEMPERATURE },
      // Prefill counts: the caller waits for it too.
      value: ({ tokens, totalMs }) => (1000 * tokens) / totalMs,
    },
    {
      name: `${questions} different questions`,
      unit: "tok/s",
      workload: {
        prompts: Array.from({ length: questions }, (_, index) => source.prompt(64, index)),
        samples: 1,
        maxTokens: 64,
        temperature: SAMPLE_TEMPERATURE,
      },
      value: ({ tokens, totalMs }) => (1000 * tokens) / totalMs,
    },
    firstToken(64),
    firstToken(512),
    firstToken(1500),
  ];
}

/** Steps of 1 to `rows` rows, by a prompt of two tokens and that many samples. */
export function stepCases(
  source: PromptSource,
  rows: number,
): { readonly rows: number; readonly workload: Workload }[] {
  return [1, 2, 4, 8, 10, 16, 24, 32]
    .filter((count) => count <= rows)
    .map((count) => ({
      rows: count,
      workload: {
        prompts: [source.prompt(64, 0)],
        samples: count,
        maxTokens: 24,
        temperature: SAMPLE_TEMPERATURE,
      },
    }));
}
