// From a base and an adapter to a served student: the folder, its card, its logits in our engine, and its answer over
// HTTP.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { cpSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { MagdiError } from "../../../src/base/errors.ts";
import { readManifest } from "../../../src/student/manifest.ts";
import { openStudentFolder } from "../../../src/student/open-student-folder.ts";
import { openSafetensors } from "../../../src/tensor/safetensors.ts";
import { type ExportOptions, exportStudent } from "../../../src/train/adapter/export-student.ts";
import { writeRandomAdapter } from "../../support/random-adapter.ts";
import { writeRandomBase } from "../../support/random-base.ts";
import { fixture, scratchFolder } from "../../support/scratch-folder.ts";
import { best, openRunner, prefilled } from "../../support/tiny-students.ts";

const folder = scratchFolder();

const exportTiny = (name: string, out: string, options: Partial<ExportOptions> = {}) =>
  exportStudent({
    base: fixture(name, "base"),
    adapter: fixture(name, "adapter"),
    out: path.join(folder, out),
    dtypes: ["fp32"],
    ...options,
  });

for (const name of ["tiny-llama", "tiny-qwen2"]) {
  test(`${name}: our engine gives the exported student the logits that PyTorch gives base and adapter`, async () => {
    await exportTiny(name, name);
    const student = openStudentFolder(path.join(folder, name), "fp32");
    const runner = await openRunner(student);
    const file = openSafetensors(fixture(name, "adapter_forward.safetensors"));
    const [rows = 0, columns = 0] = file.entries.get("input_ids")!.shape;
    const ids = new Int32Array(file.readRaw("input_ids").buffer);
    const logits = file.readFloat32("logits");
    file.close();
    const { vocabSize } = student.config;
    for (let row = 0; row < rows; row++) {
      for (const length of [1, 9, columns]) {
        const end = (row * columns + length) * vocabSize;
        const expected = logits.subarray(end - vocabSize, end);
        const found = await prefilled(runner, ids.subarray(row * columns, row * columns + length));
        const worst = found.reduce((most, value, at) => Math.max(most, Math.abs(value - expected[at]!)), 0);
        assert.ok(worst < 1e-4, `row ${row}, ${length} tokens: ${worst}`);
        assert.equal(best(found), best(expected));
      }
    }
    runner.close();
  });
}

test("the card and the manifest say base, adapter, recipe, level and data", async () => {
  const adapter = path.join(folder, "told");
  mkdirSync(adapter);
  const base = path.join(folder, "base");
  const config = writeRandomBase(base);
  writeRandomAdapter(adapter, config, {
    rank: 2,
    metadata: { "magdi.level": "3", "magdi.recipe": "magdi-an", "magdi.data": "gsm8k, 400 graphs" },
  });
  const manifest = await exportTiny("", "card", { base, adapter, origin: "someone/base", name: "pupil" });
  const bytes = readFileSync(path.join(adapter, "adapter_model.safetensors"));
  assert.deepEqual(manifest.training, {
    adapter: "told",
    adapterSha256: createHash("sha256").update(bytes).digest("hex"),
    recipe: "magdi-an",
    data: "gsm8k, 400 graphs",
    lora: ["rank 2, alpha 8"],
    modules: ["q_proj", "v_proj"],
  });
  assert.deepEqual(readManifest(path.join(folder, "card")), manifest);
  const card = readFileSync(path.join(folder, "card", "README.md"), "utf8");
  for (const part of [
    /# pupil\n\nA student distilled at level 3: /,
    /- base: someone\/base\n/,
    /- adapter: told \(rank 2, alpha 8, on q_proj, v_proj\), SHA-256 [0-9a-f]{64}\n/,
    /- recipe: magdi-an\n- data: gsm8k, 400 graphs\n/,
  ]) {
    assert.match(card, part);
  }
  const said = { level: 4, recipe: "magdi", data: "svamp", force: true, dtypes: ["q8"] as const };
  const other = await exportTiny("", "card", { base, adapter, ...said });
  assert.deepEqual([other.level, other.training?.recipe, other.training?.data], [4, "magdi", "svamp"]);
});

test("an adapter from elsewhere says nothing of its training, and is exported", async () => {
  const manifest = await exportTiny("tiny-llama", "elsewhere", { dtypes: ["fp32", "q8", "q4"] });
  assert.equal(manifest.level, null);
  assert.equal(manifest.training?.recipe, null);
  assert.deepEqual(Object.keys(manifest.dtypes).sort(), ["fp32", "q4", "q8"]);
  const card = readFileSync(path.join(folder, "elsewhere", "README.md"), "utf8");
  assert.match(card, /A base model with an adapter merged into it: .*\n.*\n\n.*- data: not stated\n/s);
});

test("what is wrong leaves nothing behind", async () => {
  const place = path.join(folder, "failures");
  mkdirSync(place);
  const out = path.join("failures", "student");
  const zero = path.join(folder, "zero");
  const base = path.join(folder, "zero-base");
  writeRandomAdapter(zero, writeRandomBase(base), {
    change: (tensors) => {
      for (const { name, data } of tensors) if (name.includes("lora_B")) data.fill(0);
      return tensors;
    },
  });
  const huge = path.join(folder, "huge");
  cpSync(zero, huge, { recursive: true });
  writeRandomAdapter(huge, writeRandomBase(base), {
    change: (tensors) => {
      for (const { data } of tensors) data.fill(3e38);
      return tensors;
    },
  });
  const cases: [code: string, pattern: RegExp, options: Partial<ExportOptions>][] = [
    ["MAGDI_BAD_FILE", /B·A is zero/, { base, adapter: zero }],
    ["MAGDI_BAD_FILE", /q_proj\.weight: expected finite numbers/, { base, adapter: huge }],
    ["MAGDI_BAD_FILE", /the adapter's tensors do not fit/, { adapter: fixture("tiny-qwen2", "adapter") }],
    ["MAGDI_FILE_MISSING", /expected a PEFT adapter's folder/, { adapter: fixture("tiny-llama", "base") }],
    ["MAGDI_FILE_MISSING", /nowhere: expected a Hugging Face folder/, { base: path.join(folder, "nowhere") }],
    ["MAGDI_BAD_CONFIG", /--level: expected 1 to 4, found 5/, { level: 5 }],
  ];
  for (const [code, pattern, options] of cases) {
    await assert.rejects(exportTiny("tiny-llama", out, options), (error) => {
      assert.ok(error instanceof MagdiError, String(error));
      assert.equal(error.code, code);
      assert.match(error.message, pattern);
      return true;
    });
  }
  assert.deepEqual(readdirSync(place), []);
});

test("training heads beside an adapter stay behind", async () => {
  const adapter = path.join(folder, "with-heads");
  cpSync(fixture("tiny-llama", "adapter"), adapter, { recursive: true });
  cpSync(fixture("tiny-llama", "heads.safetensors"), path.join(adapter, "heads.safetensors"));
  const manifest = await exportTiny("tiny-llama", "headless", { adapter });
  assert.ok(!Object.keys(manifest.files).some((name) => name.includes("heads")));
});
