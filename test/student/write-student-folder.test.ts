import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { MagdiError } from "../../src/base/errors.ts";
import { openQualityMeter } from "../../src/measuring/quality.ts";
import { DTYPES } from "../../src/student/dtype.ts";
import { readManifest } from "../../src/student/manifest.ts";
import { openStudentFolder } from "../../src/student/open-student-folder.ts";
import type { QualityMeter } from "../../src/student/quality-meter.ts";
import { type ImportOptions, importStudent } from "../../src/student/write-student-folder.ts";
import { writeRandomBase } from "../support/random-base.ts";
import { fixture, scratchFolder } from "../support/scratch-folder.ts";

const folder = scratchFolder();
const TINY = fixture("tiny-llama/base");

const refused = (code: string, pattern: RegExp) => (error: unknown) => {
  assert.ok(error instanceof MagdiError, String(error));
  assert.equal(error.code, code);
  assert.match(error.message, pattern);
  return true;
};

const importTo = (out: string, options: Partial<ImportOptions> = {}) =>
  importStudent({ source: TINY, out, dtypes: ["q4"], ...options });

/** As magdi import measures. */
const measured: Pick<ImportOptions, "measure"> = {
  measure: (to, base, reference) =>
    openQualityMeter(reference, { folder: to, config: base.config, threads: 1 }),
};

/** Finds everything perfect. */
const unmeasured: QualityMeter = {
  qualityOf: async () => ({ agreement: 1, positions: 1, perplexity: 1, perplexityFp32: 1 }),
  divergenceOf: async () => 0,
};

test("a student folder holds what its manifest says, under the names of the ecosystem", async () => {
  const out = path.join(folder, "whole");
  const base = path.join(folder, "with-tokenizer");
  writeRandomBase(base, { tokenizer: true });
  const stages = new Set<string>();
  const manifest = await importTo(out, {
    source: base,
    dtypes: ["fp32", "fp16", "q8", "q4", "q4f16"],
    onProgress: ({ stage, done, total }) => {
      assert.ok(done >= 1 && done <= total);
      stages.add(stage);
    },
    ...measured,
  });
  assert.deepEqual(
    [...stages],
    ["writing fp32", "writing fp16", "writing q8", "writing q4", "writing q4f16", "hashing"],
  );
  assert.deepEqual(readManifest(out), manifest);
  const there = readdirSync(out, { recursive: true, encoding: "utf8" }).sort();
  assert.deepEqual(there, [...Object.keys(manifest.files), "onnx", "student.json"].sort());
  for (const name of ["config.json", "generation_config.json", "tokenizer.json", "README.md"]) {
    assert.ok(name in manifest.files, name);
  }
  assert.equal(manifest.parameters, 640 * 64 + 64 * 3 + 2 * 64 * 64 + 2 * 32 * 64 + 3 * 64 * 96);
  const config = JSON.parse(readFileSync(path.join(out, "config.json"), "utf8"));
  assert.deepEqual(config["transformers.js_config"], {
    use_external_data_format: {
      "model.onnx": 1,
      "model_fp16.onnx": 1,
      "model_quantized.onnx": 1,
      "model_q4.onnx": 1,
      "model_q4f16.onnx": 1,
    },
  });

  const { fp32, fp16, q8, q4, q4f16 } = manifest.dtypes;
  assert.equal(fp32?.quality?.agreement, 1);
  assert.equal(fp32?.quality?.positions, 12 * 48);
  assert.ok(q8!.quality!.agreement > 0.9 && q4!.quality!.agreement > 0.4, JSON.stringify([q8, q4]));
  assert.ok(fp16!.quality!.agreement > 0.98, JSON.stringify(fp16));
  assert.ok(Math.abs(q4f16!.quality!.agreement - q4!.quality!.agreement) < 0.1, JSON.stringify(q4f16));
  assert.deepEqual(Object.keys(fp16!.weights), ["float16"]);
  assert.deepEqual(q4f16!.weights, q4!.weights);
  assert.ok(fp32!.quality!.perplexity > 100);
  const card = readFileSync(path.join(out, "README.md"), "utf8");
  assert.match(card, new RegExp(`${(100 * q8!.quality!.agreement).toFixed(1)} % of 576`));
  for (const dtype of DTYPES) {
    const student = openStudentFolder(out, dtype);
    assert.ok(existsSync(student.engineGraph) && existsSync(student.modelGraph));
    assert.deepEqual([...student.endTokenIds], [2]);
  }
  assert.equal(openStudentFolder(out).dtype, "q4");
});

test("of dtypes that are timed one is kept, and manifest and card say why", async () => {
  const base = path.join(folder, "timed");
  writeRandomBase(base, { tokenizer: true });
  const out = path.join(folder, "kept");
  const [fast, slow] = [1, 9].map((stepMs) => ({ promptMs: stepMs, stepMs, tenRowStepMs: stepMs }));
  const manifest = await importTo(out, {
    source: base,
    dtypes: ["q4", "q8"],
    ...measured,
    time: async (_, written) => new Map(written.map(({ dtype }) => [dtype, dtype === "q8" ? fast! : slow!])),
  });
  assert.equal(manifest.choice?.dtype, "q8");
  assert.deepEqual(
    manifest.choice.measured.map(({ dtype, stepMs }) => [dtype, stepMs]),
    [
      ["q4", 9],
      ["q8", 1],
    ],
  );
  assert.deepEqual(readManifest(out), manifest);
  assert.deepEqual(Object.keys(manifest.dtypes), ["q8"]);
  assert.deepEqual(readdirSync(path.join(out, "onnx")).sort(), [
    "engine_q8.onnx",
    "model_quantized.onnx",
    "model_quantized.onnx_data",
  ]);
  const card = readFileSync(path.join(out, "README.md"), "utf8");
  assert.match(card, /Kept in q8: the fastest of those that agree/);
  assert.match(card, /\| q4 \| \d+\.\d % \| \d+\.\d\d \| 9 ms \| 9\.0 ms \| 9\.0 ms \|/);
  assert.equal(openStudentFolder(out).dtype, "q8");

  const never = path.join(folder, "never-timed");
  const untold = { ...measured, time: async () => new Map() };
  await assert.rejects(
    importTo(never, untold),
    refused("MAGDI_BAD_CONFIG", /has no tokenizer; name a dtype/),
  );
  assert.ok(!existsSync(never));
});

test("a context shorter than the measurements is measured as far as it reaches", async () => {
  const base = path.join(folder, "short");
  writeRandomBase(base, { tokenizer: true, config: { max_position_embeddings: 24 } });
  const { dtypes } = await importTo(path.join(folder, "short-student"), { source: base, ...measured });
  assert.equal(dtypes.q4?.quality?.positions, 12 * 12);
});

test("a folder without a tokenizer is imported, and neither measured nor said to have one", async () => {
  const out = path.join(folder, "untold");
  const manifest = await importTo(out, measured);
  assert.equal(manifest.dtypes.q4?.quality, null);
  assert.equal(manifest.files["tokenizer.json"], undefined);
  assert.equal(manifest.name, "untold");
  assert.equal(manifest.base, "base");
  assert.equal(manifest.licence, null);
});

test("what is there is replaced only when it is a student, and only when told to", async () => {
  const out = path.join(folder, "there");
  mkdirSync(out);
  await importTo(out, { name: "first" });
  await assert.rejects(importTo(out), refused("MAGDI_BAD_CONFIG", /already holds a student; pass --force/));
  assert.equal(readManifest(out).name, "first");
  await importTo(out, { name: "second", force: true });
  assert.equal(readManifest(out).name, "second");
  const failing = { source: path.join(folder, "nowhere"), force: true };
  await assert.rejects(
    importTo(out, failing),
    refused("MAGDI_FILE_MISSING", /nowhere: expected a Hugging Face/),
  );
  assert.equal(readManifest(out).name, "second");

  const mine = path.join(folder, "mine");
  mkdirSync(mine);
  writeFileSync(path.join(mine, "letters.txt"), "dear");
  for (const force of [false, true]) {
    await assert.rejects(importTo(mine, { force }), refused("MAGDI_BAD_CONFIG", /is not a student folder/));
  }
  const file = path.join(mine, "letters.txt");
  await assert.rejects(
    importTo(file, { force: true }),
    refused("MAGDI_BAD_CONFIG", /is not a student folder/),
  );
  assert.deepEqual(readdirSync(mine), ["letters.txt"]);
});

test("what came to the place while an import ran is no less somebody's than what was there before", async () => {
  const place = path.join(folder, "busy");
  const out = path.join(place, "student");
  const source = path.join(folder, "busy-base");
  writeRandomBase(source, { tokenizer: true });
  const importWhile = (meanwhile: () => void, options: Partial<ImportOptions> = {}) => {
    const measure = async () => {
      meanwhile();
      return unmeasured;
    };
    return importTo(out, { source, ...options, measure });
  };
  const letters = path.join(out, "letters.txt");
  const write = () => {
    mkdirSync(out);
    writeFileSync(letters, "dear");
  };
  await assert.rejects(importWhile(write), refused("MAGDI_BAD_CONFIG", /is not a student folder/));
  assert.equal(readFileSync(letters, "utf8"), "dear");
  rmSync(out, { recursive: true });

  const other = () => cpSync(path.join(folder, "there"), out, { recursive: true });
  await assert.rejects(importWhile(other), refused("MAGDI_BAD_CONFIG", /already holds a student/));
  assert.equal(readManifest(out).name, "second");
  await importWhile(() => {}, { force: true });
  assert.equal(readManifest(out).name, "student");
  assert.deepEqual(readdirSync(place), ["student"]);
});

test("of what other imports to a place are writing, only that of processes which are no more is removed", async () => {
  const place = path.join(folder, "shared");
  const killed = spawnSync(process.execPath, ["--version"]).pid;
  const names = [`student.${process.ppid}.partial`, "student.partial", "student2.1.partial"];
  for (const name of [...names, `student.${killed}.partial`]) {
    mkdirSync(path.join(place, name), { recursive: true });
  }
  await importTo(path.join(place, "student"));
  assert.deepEqual(readdirSync(place).sort(), [...names, "student"].sort());
});

test("a disk that takes no more is one error, which names the place", async () => {
  const place = path.join(folder, "taken");
  writeFileSync(place, "in the way");
  const out = path.join(place, "student");
  const notWritten =
    /student: cannot be written \(E.*\); what was there before is unchanged: free some space/;
  await assert.rejects(importTo(out), refused("MAGDI_NOT_WRITTEN", notWritten));

  if (!existsSync("/dev/full")) return;
  const source = path.join(folder, "busy-base");
  const full: Partial<ImportOptions> = {
    source,
    measure: async (partial) => {
      symlinkSync("/dev/full", path.join(partial, "config.json"));
      return unmeasured;
    },
  };
  const student = path.join(folder, "full", "student");
  await assert.rejects(importTo(student, full), refused("MAGDI_NOT_WRITTEN", /ENOSPC/));
  assert.deepEqual(readdirSync(path.dirname(student)), []);
});

test("a failing import leaves nothing behind, and names a weight that is no number", async () => {
  const place = path.join(folder, "failures");
  mkdirSync(place);
  const out = path.join(place, "student");
  for (const [value, broken] of [
    [Number.NaN, "model.layers.0.mlp.up_proj.weight"],
    [Number.POSITIVE_INFINITY, "model.norm.weight"],
    [Number.NEGATIVE_INFINITY, "model.embed_tokens.weight"],
  ] as const) {
    const base = path.join(folder, `broken-${broken}`);
    writeRandomBase(base, {
      change: (name, values) => {
        if (name === broken) values[values.length - 1] = value;
      },
    });
    for (const dtypes of [["fp32"], ["q8"], ["q4"]] as const) {
      await assert.rejects(
        importTo(out, { source: base, dtypes }),
        refused("MAGDI_BAD_FILE", new RegExp(`tensor ${broken}: expected finite numbers, found ${value}`)),
      );
    }
  }
  const unmeasurable = path.join(folder, "with-tokenizer");
  const measure = () => Promise.reject(new MagdiError("MAGDI_RUNTIME", "cannot run"));
  await assert.rejects(
    importTo(out, { source: unmeasurable, measure }),
    refused("MAGDI_RUNTIME", /cannot run/),
  );
  assert.deepEqual(readdirSync(place), []);
});

test("huge weights and tiny ones are imported with finite scales", async () => {
  for (const [name, factor] of [
    ["huge", 1e9],
    ["tiny", 1e-9],
  ] as const) {
    const base = path.join(folder, name);
    writeRandomBase(base, {
      tokenizer: true,
      change: (tensor, values) => {
        if (tensor.endsWith("down_proj.weight")) for (let i = 0; i < values.length; i++) values[i]! *= factor;
      },
    });
    const { dtypes } = await importTo(path.join(folder, `${name}-student`), {
      source: base,
      dtypes: ["q8", "q4"],
      ...measured,
    });
    assert.ok(dtypes.q8!.quality!.agreement > 0.8, JSON.stringify(dtypes));
  }
});

test("what float16 does not hold is refused by name, and float32 takes it", async () => {
  for (const [tensor, dtype, value] of [
    ["model.layers.0.mlp.down_proj.weight", "fp16", 65520],
    ["model.layers.0.mlp.down_proj.weight", "q4f16", -2e6],
    ["model.norm.weight", "q4f16", 1e5],
  ] as const) {
    const base = path.join(folder, `beyond-${tensor}-${dtype}`);
    writeRandomBase(base, {
      change: (name, values) => {
        if (name === tensor) values[3] = value;
      },
    });
    const out = path.join(folder, "beyond");
    await assert.rejects(
      importTo(out, { source: base, dtypes: [dtype] }),
      refused("MAGDI_UNSUPPORTED", new RegExp(`tensor ${tensor}: float16 reaches to 65504, found .*choose`)),
    );
    assert.ok(!existsSync(out));
    await importTo(path.join(folder, "within"), { source: base, dtypes: ["fp32", "q4"], force: true });
  }
});

test("a student folder that was damaged says what and what to do", async () => {
  const out = path.join(folder, "damaged");
  await importTo(out);
  assert.throws(() => openStudentFolder(out, "q8"), refused("MAGDI_BAD_CONFIG", /holds q4, found q8/));
  writeFileSync(path.join(out, "onnx", "model_q4.onnx_data"), "short");
  assert.throws(
    () => openStudentFolder(out),
    refused(
      "MAGDI_BAD_FILE",
      /model_q4\.onnx_data: expected \d+ bytes, found 5; copy the folder or import it again/,
    ),
  );
  writeFileSync(path.join(out, "student.json"), '{"format": 2}');
  assert.throws(
    () => openStudentFolder(out),
    refused("MAGDI_BAD_FILE", /student\.json: format.*import the student/),
  );
  writeFileSync(path.join(out, "student.json"), "{");
  assert.throws(() => openStudentFolder(out), refused("MAGDI_BAD_FILE", /student\.json: not JSON/));
  const nowhere = path.join(folder, "no-student");
  assert.throws(() => openStudentFolder(nowhere), refused("MAGDI_FILE_MISSING", /magdi import SOURCE --out/));
});
