// Measures how long prefill and decode steps take in each dtype on this machine.

import { OnnxModelRunner } from "../engine/onnx-model-runner.ts";
import type { DecoderConfig } from "../nn/decoder-config.ts";
import type { Dtype } from "../student/dtype.ts";
import type { StepTimes } from "../student/manifest.ts";
import type { MeasuredGraph } from "../student/quality-meter.ts";

export interface StepTimeOptions {
  readonly config: DecoderConfig;
  readonly threads: number;
  /** Milliseconds. */
  readonly now?: () => number;
  readonly onProgress?: (stage: string, done: number, total: number) => void;
}

/** Prompt length; shorter for a short context. */
const PROMPT_TOKENS = 64;
const ROWS = 10;
/** Rounds over all dtypes, so that a temporary load on the machine does not hit all rounds of a dtype. */
const ROUNDS = 3;
/** Runs of each kind of step in a round. */
const RUNS = 5;

type Kind = keyof StepTimes;

/** The shortest time of each kind of step, by dtype. Loads one dtype at a time. @throws MagdiError when a graph cannot
 * be run. */
export async function measureStepTimes(
  dtypes: readonly MeasuredGraph[],
  options: StepTimeOptions,
): Promise<ReadonlyMap<Dtype, StepTimes>> {
  const { config, threads, now = () => performance.now(), onProgress } = options;
  const promptTokens = Math.min(PROMPT_TOKENS, Math.floor(config.positions / 2));
  const prompt = Int32Array.from({ length: promptTokens }, (_, at) => (at * 37) % config.vocabSize);
  const times = new Map<Dtype, Record<Kind, number>>();
  let done = 0;
  for (let round = 0; round < ROUNDS; round++) {
    for (const { dtype, engineGraph } of dtypes) {
      const runner = await OnnxModelRunner.open({
        graphPath: engineGraph,
        config,
        maxRows: ROWS,
        contextLength: 2 * promptTokens,
        prefillChunkTokens: promptTokens,
        threads,
      });
      const step = (rows: number): Promise<unknown> =>
        runner.decode(rows, new Int32Array(rows), new Int32Array(rows).fill(promptTokens), false);
      const kinds: Readonly<Record<Kind, () => Promise<unknown>>> = {
        promptMs: () => runner.prefill(prompt, 0, false),
        stepMs: () => step(1),
        tenRowStepMs: () => step(ROWS),
      };
      const best = times.get(dtype) ?? { promptMs: Infinity, stepMs: Infinity, tenRowStepMs: Infinity };
      times.set(dtype, best);
      try {
        for (const [kind, run] of Object.entries(kinds) as [Kind, () => Promise<unknown>][]) {
          await run(); // warm-up: the first run of a shape plans its memory
          for (let count = 0; count < RUNS; count++) {
            const start = now();
            await run();
            best[kind] = Math.min(best[kind], now() - start);
          }
        }
      } finally {
        runner.close();
      }
      onProgress?.(`timing ${dtype}`, ++done, ROUNDS * dtypes.length);
    }
  }
  return times;
}
