// The cases of the bench on a device: rows side by side, and the first token. It knows no engine.

import type { BenchCase, PromptSource } from "../cases.ts";
import { decodeRate } from "../workload.ts";

export interface DeviceAmounts {
  readonly rows: readonly number[];
  readonly promptTokens: number;
  readonly maxTokens: number;
}

/** Greedy, because no two of the subjects draw alike. */
export function deviceCases(
  source: PromptSource,
  { rows, promptTokens, maxTokens }: DeviceAmounts,
): BenchCase[] {
  const prompts = (count: number) =>
    Array.from({ length: count }, (_, number) => source.prompt(promptTokens, number));
  return [
    ...rows.map(
      (count): BenchCase => ({
        name: count === 1 ? "1 row, decoding" : `${count} rows of one question, decoding`,
        unit: "tok/s",
        workload: { prompts: prompts(1), samples: count, maxTokens, temperature: 0 },
        value: (time) => decodeRate(time, count),
      }),
    ),
    ...rows
      .filter((count) => count > 1)
      .map(
        (count): BenchCase => ({
          name: `${count} different questions, prompts and all`,
          unit: "tok/s",
          workload: { prompts: prompts(count), samples: 1, maxTokens, temperature: 0 },
          value: ({ tokens, totalMs }) => (1000 * tokens) / totalMs,
        }),
      ),
    {
      name: `first token, ${promptTokens}-token prompt`,
      unit: "ms",
      workload: { prompts: prompts(1), samples: 1, maxTokens: 2, temperature: 0 },
      value: ({ firstTokenMs }) => firstTokenMs,
    },
  ];
}
