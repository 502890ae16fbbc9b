// A student whose q4 is made a mix: it computes what was measured, and takes what was allowed.

import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { MagdiError } from "../../src/base/errors.ts";
import { openQualityMeter } from "../../src/measuring/quality.ts";
import { weightBytes } from "../../src/student/manifest.ts";
import { openStudentFolder } from "../../src/student/open-student-folder.ts";
import { type ImportOptions, importStudent } from "../../src/student/write-student-folder.ts";
import { writeRandomBase } from "../support/random-base.ts";
import { scratchFolder } from "../support/scratch-folder.ts";
import { greedyTokens, openRunner } from "../support/tiny-students.ts";
import { greedyInTransformersJs, openInTransformersJs } from "../support/transformers-js.ts";

const folder = scratchFolder();
const source = path.join(folder, "base");
const config = writeRandomBase(source, {
  tokenizer: true,
  config: { num_hidden_layers: 2 },
  // In two values, which 4 bits hold exactly.
  change: (name, values) => {
    if (name.includes(".mlp."))
      for (const [at, value] of values.entries()) values[at] = value < 0 ? -0.1 : 0.1;
  },
});
const plain = path.join(folder, "plain");
await importStudent({ source, out: plain, dtypes: ["fp32", "q4", "q8"], threads: 1 });
const reference = openStudentFolder(plain, "fp32");
// Our own operators round otherwise than transformers.js.
process.env.MAGDI_KERNELS = "stock";

const sizeOf = (dtype: "q4" | "q8"): number => weightBytes(reference.manifest, dtype);

const choosing = (out: string, options: Partial<ImportOptions>) =>
  importStudent({
    source,
    out,
    dtypes: ["q4", "q8"],
    threads: 1,
    measure: (to, base, float32) =>
      openQualityMeter(float32, { folder: to, config: base.config, threads: 1 }),
    // q4 is the faster one.
    time: async (_, written) =>
      new Map(
        written.map(({ dtype }) => {
          const ms = dtype === "q4" ? 1 : 2;
          return [dtype, { promptMs: ms, stepMs: ms, tenRowStepMs: ms }];
        }),
      ),
    ...options,
  });

test("a mix computes what was measured of it, and lies in the folder as a dtype does", async () => {
  const out = path.join(folder, "mixed");
  const manifest = await choosing(out, {});
  const { choice, dtypes } = manifest;
  assert.deepEqual([choice?.dtype, Object.keys(dtypes)], ["q4", ["q4"]]);
  assert.ok(choice?.mixed !== undefined && choice.mixed.inEight.length > 0);
  assert.ok(
    choice.mixed.inEight.every((name) => /^(query|output)/.test(name)),
    String(choice.mixed.inEight),
  );
  assert.ok(choice.mixed.plainAgreement < 0.97 && dtypes.q4!.quality!.agreement >= 0.97);
  assert.deepEqual(readdirSync(path.join(out, "onnx")).sort(), [
    "engine_q4.onnx",
    "model_q4.onnx",
    "model_q4.onnx_data",
  ]);
  assert.ok(!existsSync(path.join(out, ".mix")));
  const bytes = weightBytes(manifest, "q4");
  assert.ok(sizeOf("q4") < bytes && bytes < sizeOf("q8"), `${bytes} bytes`);
  const weights = Object.values(dtypes.q4!.weights).reduce((sum, count) => sum + count, 0);
  assert.equal(weights, manifest.parameters - 64 * (2 * config.layers + 1));
  assert.ok((dtypes.q4!.weights["8 bits"] ?? 0) > 640 * 64);
  const card = readFileSync(path.join(out, "README.md"), "utf8");
  assert.match(
    card,
    /q4 has 8 bits for .* in layer \d.*; with 4 for all of them its agreement is \d+\.\d %\./,
  );

  const student = openStudentFolder(out);
  const meter = await openQualityMeter(reference, { folder: out, config, threads: 1 });
  assert.deepEqual(await meter.qualityOf(student), dtypes.q4!.quality);
  const prompt = Int32Array.of(5, 6, 7, 300, 12);
  const runner = await openRunner(student);
  const wanted = await greedyTokens(runner, prompt, 12);
  runner.close();
  const model = await openInTransformersJs(student);
  const found = await greedyInTransformersJs(model, prompt, 12);
  await model.dispose();
  assert.deepEqual(found, wanted.slice(0, found.length));
});

test("weights take no more than they may", async () => {
  const spare = (sizeOf("q8") - sizeOf("q4")) / 8;
  const manifest = await choosing(path.join(folder, "small"), { maxBytes: sizeOf("q4") + spare });
  assert.equal(manifest.choice?.dtype, "q4");
  assert.match(manifest.choice.reason, /none that fits agrees with fp32 at 97\.0 %/);
  assert.ok(weightBytes(manifest, "q4") <= sizeOf("q4") + spare);
  const never = path.join(folder, "never");
  await assert.rejects(choosing(never, { maxBytes: sizeOf("q4") - 1 }), (error) => {
    assert.ok(error instanceof MagdiError && error.code === "MAGDI_BAD_CONFIG");
    assert.match(error.message, /--max-size-mb: expected at least \d+, which q4 takes, found 0\.\d+;/);
    return true;
  });
  assert.ok(!existsSync(never));
});

test("divergence is zero from float32 to itself, and larger in fewer bits", async () => {
  const meter = await openQualityMeter(reference, { folder: plain, config, threads: 1 });
  const [own, eight, four] = [
    await meter.divergenceOf(reference.engineGraph),
    await meter.divergenceOf(openStudentFolder(plain, "q8").engineGraph),
    await meter.divergenceOf(openStudentFolder(plain, "q4").engineGraph),
  ];
  assert.ok(Math.abs(own) < 1e-6 && own < eight && 4 * eight < four, `${own}, ${eight}, ${four}`);
});
