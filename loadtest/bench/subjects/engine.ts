// magdi's engine without HTTP.
import { openStudent } from "../../../src/asking/student.ts";
import type { SamplingParams } from "../../../src/engine/request.ts";
import { loadConfig } from "../../../src/server/config.ts";
import type { OpenSubject, Workload } from "../workload.ts";

function samplingOf({ temperature, maxTokens }: Workload): SamplingParams {
  return {
    temperature,
    topK: 50,
    topP: 0.9,
    minP: 0,
    maxTokens,
    minTokens: 0,
    ignoreEos: true,
    stop: [],
    seed: 1,
    topLogprobs: null,
    logitBias: new Map(),
  };
}

export const openSubject: OpenSubject = async ({
  model,
  dtype,
  threads,
  rows,
  contextLength,
  device = "cpu",
}) => {
  const flags = {
    dtype,
    device,
    threads: String(threads),
    "batch-rows": String(rows),
    "context-length": String(contextLength),
    "prefix-cache-tokens": "0",
    "max-samples": String(rows),
    "queue-samples": String(Math.max(256, rows)),
  };
  const student = await openStudent(model, loadConfig({ flags }));
  const served = student.manifest.device ?? "cpu";
  if (served !== device) throw new Error(`expected an engine on ${device}, found one on ${served}`);
  return {
    async run(workload) {
      const startMs = performance.now();
      let firstTokenMs: number | null = null;
      const results = await Promise.all(
        workload.prompts.map((prompt, index) => {
          const request = {
            id: `bench-${index}`,
            promptTokens: Int32Array.from(prompt),
            samples: workload.samples,
            sampling: samplingOf(workload),
            queueTimeoutMs: 600_000,
            timeoutMs: 600_000,
          };
          const onToken = () => {
            firstTokenMs ??= performance.now() - startMs;
          };
          return student.engine.submit(request, { onToken }).done;
        }),
      );
      const tokens = results.flatMap(({ samples }) => samples).reduce((sum, s) => sum + s.tokenIds.length, 0);
      return { firstTokenMs: firstTokenMs ?? 0, totalMs: performance.now() - startMs, tokens };
    },
    close: () => student.engine.close(),
  };
};
