// The step graph over our own operators: its size, what it refuses, and that it computes what the stock graph does.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { decodeModel } from "../../src/onnx/decode.ts";
import { nativeStepGraph } from "../../src/student/native-step-graph.ts";
import type { StudentFolder } from "../../src/student/open-student-folder.ts";
import { writeRandomBase } from "../support/random-base.ts";
import { scratchFolder } from "../support/scratch-folder.ts";
import { importTiny, openRunner, prefilled, tinyStudent } from "../support/tiny-students.ts";
import { SeededRandom } from "../text/seeded-random.ts";

const folder = scratchFolder();

const graphOf = (student: StudentFolder) =>
  nativeStepGraph(readFileSync(student.engineGraph), student.config);

/** How many nodes of our own the graph has, by operator. */
function own(student: StudentFolder): Record<string, number> {
  const made = graphOf(student);
  assert.ok("graph" in made);
  const counts: Record<string, number> = {};
  for (const { domain, operator } of decodeModel(made.graph).graph.nodes) {
    if (domain === "magdi") counts[operator] = (counts[operator] ?? 0) + 1;
  }
  return counts;
}

test("a layer is five nodes of ours, and head and candidates are one each", async () => {
  const students = await importTiny(tinyStudent("tiny-llama/base").source, path.join(folder, "llama"), [
    "q4",
    "q8",
  ]);
  for (const student of Object.values(students)) {
    const { layers } = student.config;
    assert.deepEqual(own(student), { Linear: 4 * layers + 1, Attention: layers, Candidates: 1 });
  }
});

test("students in floats and in float16 keep the stock graph, with the reason", async () => {
  const students = await importTiny(tinyStudent("tiny-llama/base").source, path.join(folder, "stock"), [
    "fp32",
    "q4f16",
  ]);
  for (const student of Object.values(students)) {
    assert.deepEqual(graphOf(student), { reason: "weights that are not in blocks" });
    const runner = await openRunner(student);
    assert.deepEqual(runner.kernels, { kind: "stock", reason: "weights that are not in blocks" });
    runner.close();
  }
  const { q4 } = await importTiny(tinyStudent("tiny-llama/base").source, path.join(folder, "heads"), ["q4"]);
  const narrow = { ...q4, config: { ...q4.config, headSize: 24 } };
  assert.deepEqual(graphOf(narrow), { reason: "heads of 24" });
});

const WINDOW = { use_sliding_window: true, sliding_window: 7, max_window_layers: 0 };
const BASES: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  "llama, head of its own": { tie_word_embeddings: false, num_hidden_layers: 2 },
  "qwen2 with biases": { model_type: "qwen2", num_hidden_layers: 2 },
  "qwen2 with a window": { model_type: "qwen2", num_hidden_layers: 2, ...WINDOW },
  "qwen3 with head norms": { model_type: "qwen3", head_dim: 32, num_hidden_layers: 2 },
  "mistral with a window": {
    model_type: "mistral",
    sliding_window: 9,
    num_attention_heads: 2,
    num_key_value_heads: 1,
  },
};

/** Norms and biases that differ from their neutral values. */
function uneven(name: string, values: Float32Array): void {
  const random = new SeededRandom(name.length);
  const bias = name.endsWith(".bias");
  if (name.includes("norm") || bias) {
    values.forEach((_, at) => {
      values[at] = (bias ? 0 : 1) + (random.below(1001) - 500) / 1000;
    });
  }
}

async function assertLikeStock(student: StudentFolder, prompts: readonly Int32Array[]): Promise<void> {
  const native = await openRunner(student);
  assert.equal(native.kernels.kind, "native");
  process.env.MAGDI_KERNELS = "stock";
  const stock = await openRunner(student).finally(() => delete process.env.MAGDI_KERNELS);
  assert.equal(stock.kernels.kind, "stock");
  for (const tokens of prompts) {
    const [found, wanted] = [await prefilled(native, tokens, 16), await prefilled(stock, tokens, 16)];
    const spread = Math.max(...wanted) - Math.min(...wanted);
    const worst = found.reduce((most, logit, at) => Math.max(most, Math.abs(logit - wanted[at]!)), 0);
    assert.ok(worst < 0.03 * spread, `${student.dtype}: off by ${worst} of ${spread}`);
  }
  native.close();
  stock.close();
}

for (const [name, config] of Object.entries(BASES)) {
  test(`${name}: our operators' logits are the stock operators' but for rounding`, async () => {
    const source = path.join(folder, name.replaceAll(/\W+/g, "-"));
    const { vocabSize } = writeRandomBase(source, { config, change: uneven });
    const random = new SeededRandom(23);
    const prompts = [1, 2, 17, 40].map((length) =>
      Int32Array.from({ length }, () => random.below(vocabSize)),
    );
    const students = await importTiny(source, `${source}-student`, ["q4", "q8"]);
    for (const student of Object.values(students)) await assertLikeStock(student, prompts);
  });
}

test("a GGUF's own grids, also of 5 bits in 8, have the stock operators' logits but for rounding", async () => {
  const { source, reference } = tinyStudent("tiny-llama-kquant/model.gguf");
  const students = await importTiny(source, path.join(folder, "kquant"), ["q4", "q8"]);
  for (const student of Object.values(students)) await assertLikeStock(student, reference.ids);
});
