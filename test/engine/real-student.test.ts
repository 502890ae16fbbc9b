// The same promise on imported students and ONNX Runtime: nothing else in the batch changes a request's bits.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { Engine } from "../../src/engine/engine.ts";
import { OnnxModelRunner } from "../../src/engine/onnx-model-runner.ts";
import { sampleRandom } from "../../src/engine/random.ts";
import type { GenerationRequest } from "../../src/engine/request.ts";
import { openStudentFolder, type StudentFolder } from "../../src/student/open-student-folder.ts";
import { importStudent } from "../../src/student/write-student-folder.ts";
import { Ear, GREEDY, inWaves, SAMPLED, toyTokens } from "../support/toy-engine.ts";

const CONTEXT_LENGTH = 128;
const FIRST = { name: "first", weight: 1 };
const SECOND = { name: "second", weight: 1 };
const FIXTURES = path.join(import.meta.dirname, "..", "fixtures");

async function openEngine(student: StudentFolder, maxRows: number): Promise<Engine> {
  const runner = await OnnxModelRunner.open({
    graphPath: student.engineGraph,
    config: student.config,
    maxRows,
    contextLength: CONTEXT_LENGTH,
    prefillChunkTokens: 16,
    threads: 2,
  });
  // Text is not what is compared here: the toy's tokens are as good as any.
  return new Engine({ runner, tokenizer: toyTokens, eosTokenIds: student.endTokenIds });
}

function workload(vocabSize: number): GenerationRequest[] {
  const random = sampleRandom(3, 0);
  const below = (count: number) => Math.floor(random.nextFloat() * count);
  return Array.from({ length: 16 }, (_, number) => ({
    id: `request ${number}`,
    promptTokens: Int32Array.from({ length: 1 + below(100) }, () => below(vocabSize)),
    samples: 1 + below(4),
    queueTimeoutMs: Number.POSITIVE_INFINITY,
    timeoutMs: Number.POSITIVE_INFINITY,
    sampling: {
      ...(number % 4 === 0 ? GREEDY : SAMPLED),
      topK: [5, 50, 0, 3][number % 4]!,
      topP: [1, 0.9][number % 2]!,
      seed: number,
      maxTokens: 1 + below(30),
      minTokens: below(3) * 4,
      topLogprobs: [null, 3][number % 2]!,
      logitBias: new Map(number % 5 === 0 ? [[7, 1]] : []),
    },
  }));
}

for (const [name, source] of [
  ["tiny-llama", "tiny-llama/base"],
  ["tiny-qwen2", "tiny-qwen2/base"],
] as const) {
  test(`${name}: tokens and log-probabilities are bit for bit the same alone and in a batch, in each dtype`, async (t) => {
    const folder = mkdtempSync(path.join(tmpdir(), "magdi-engine-"));
    t.after(() => rmSync(folder, { recursive: true, force: true }));
    const out = path.join(folder, name);
    const dtypes = ["fp32", "q8", "q4"] as const;
    await importStudent({ source: path.join(FIXTURES, source), out, dtypes });
    for (const dtype of dtypes) {
      const student = openStudentFolder(out, dtype);
      const requests = workload(student.config.vocabSize);
      const busy = await openEngine(student, 7);
      const early = requests.slice(0, 10);
      const generations = early.map((request) => busy.submit({ ...request, caller: FIRST }, new Ear()));
      const cut = busy.submit(
        { ...requests[3]!, samples: 4, caller: FIRST },
        {
          onToken(event) {
            if (event.sample === 1) cut.cancel("cancelled", 1);
            if (event.sample === 3) cut.cancel("decided");
          },
        },
      );
      // When its turn has come all rows are taken, and somebody else asks.
      await cut.done;
      for (const request of requests.slice(10)) {
        generations.push(inWaves(busy, { ...request, caller: SECOND }, 2));
      }
      const together = await Promise.all(generations.map((generation) => generation.done));
      assert.ok(busy.stats().preemptions > 0 && busy.stats().recomputedTokens > 0, "rows were given back");
      await busy.close();

      const lone = await openEngine(student, 4);
      for (const [number, request] of requests.entries()) {
        const { samples } = await lone.submit(request).done;
        assert.deepEqual(together[number]!.samples, samples, `${dtype}: ${request.id}`);
      }
      await lone.close();
    }
  });
}
