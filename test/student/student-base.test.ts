import assert from "node:assert/strict";
import { readdirSync, readFileSync, truncateSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { MagdiError } from "../../src/base/errors.ts";
import type { Dtype } from "../../src/student/dtype.ts";
import { readManifest } from "../../src/student/manifest.ts";
import { openBase } from "../../src/student/open-base.ts";
import { importStudent } from "../../src/student/write-student-folder.ts";
import { writeRandomBase } from "../support/random-base.ts";
import { fixture, scratchFolder } from "../support/scratch-folder.ts";

const folder = scratchFolder();

async function student(name: string, source: string, dtypes: readonly Dtype[]): Promise<string> {
  const out = path.join(folder, name);
  await importStudent({ source, out, dtypes });
  return out;
}

const TOKENIZER = new Map(
  ["tokenizer.json", "tokenizer_config.json"].map((name) => [
    name,
    readFileSync(fixture("tokenizers/byte-level", name), "utf8"),
  ]),
);
const TRAINING = { adapter: "", adapterSha256: "", recipe: null, data: null, lora: [], modules: [] };

/** A q4 with 8 bits wherever these are finer: nothing less is found to agree. */
async function mixedStudent(name: string, source: string): Promise<string> {
  const out = path.join(folder, name);
  const agreements = [0, 1];
  const quality = () => ({
    agreement: agreements.shift() ?? 0,
    positions: 1,
    perplexity: 1,
    perplexityFp32: 1,
  });
  const time = { promptMs: 1, stepMs: 1, tenRowStepMs: 1 };
  await importStudent({
    source,
    out,
    dtypes: ["q4", "q8"],
    // The file has no tokenizer, without which nothing is measured.
    adapt: async (base) => ({ base: { ...base, textFiles: TOKENIZER }, level: null, training: TRAINING }),
    measure: async () => ({ qualityOf: async () => quality(), divergenceOf: async () => 0 }),
    time: async (_, written) => new Map(written.map(({ dtype }) => [dtype, time])),
  });
  return out;
}

/** Of all data files and graphs: their bytes by name. */
const onnxFiles = (of: string): Map<string, Buffer> =>
  new Map(
    readdirSync(path.join(of, "onnx")).map((file) => [file, readFileSync(path.join(of, "onnx", file))]),
  );

const K_QUANTS = fixture("families/tiny-llama-kquant/model.gguf");

const SOURCES = {
  "biases and an untied head": fixture("tiny-qwen2/base"),
  "a head that is the embedding": fixture("tiny-llama/base"),
  "a file on grids of 4, 5 and 8 bits": K_QUANTS,
};

for (const [what, source] of Object.entries(SOURCES)) {
  test(`a student's own formats are made again byte for byte: ${what}`, async () => {
    for (const dtypes of [["fp32"], ["q4"]] as const) {
      const first = await student(`${what}-${dtypes}`, source, dtypes);
      const again = await student(`${what}-${dtypes}-again`, first, dtypes);
      assert.deepEqual(onnxFiles(again), onnxFiles(first));
    }
  });
}

test("another format of a student is what its base would have given", async () => {
  const source = fixture("tiny-llama/base");
  const fromBase = await student("from-base", source, ["q8"]);
  const fromStudent = await student("from-student", await student("floats", source, ["fp32"]), ["q8"]);
  assert.deepEqual(onnxFiles(fromStudent), onnxFiles(fromBase));
});

test("weights on a grid of four bits give the floats that they stand for", async () => {
  const four = openBase(await student("four", fixture("tiny-llama/base"), ["q4"]));
  const floats = openBase(fixture("tiny-llama/base"));
  const name = "model.layers.0.self_attn.k_proj.weight";
  const [rounded, exact] = [four, floats].map((base) => base.tensors.get(name)!.readFloat32()) as [
    Float32Array,
    Float32Array,
  ];
  const spread = Math.max(...exact) - Math.min(...exact);
  const worst = Math.max(...exact.map((value, at) => Math.abs(value - rounded[at]!)));
  assert.ok(worst > 0 && worst < spread / 15, `${worst} of ${spread}`);
  four.close();
  floats.close();
});

test("weights that lie on a grid are read back as the file has them, those with minimums in 8 bits too", async () => {
  const file = openBase(K_QUANTS);
  const four = openBase(await mixedStudent("k-quants", K_QUANTS));
  const wideWithMinimums = new Set<string>();
  for (const [name, tensor] of file.tensors) {
    const grid = tensor.readGrid?.();
    if (grid === undefined) continue;
    const [wanted, found] = [tensor, four.tensors.get(name)!].map((of) => of.readFloat32());
    const worst = wanted!.reduce((most, value, at) => Math.max(most, Math.abs(value - found![at]!)), 0);
    assert.equal(worst, 0, name);
    const own = (centre: number) => grid.mins.some((min, block) => min !== -centre * grid.scales[block]!);
    if (grid.bits === 8 && own(16) && own(128)) wideWithMinimums.add(name.split(".").at(-2)!);
  }
  assert.deepEqual([...wideWithMinimums].sort(), ["k_proj", "up_proj"]);
  file.close();
  four.close();
});

test("a student stays who it is: its base's name, its licence, its tokenizer", async () => {
  const base = path.join(folder, "base");
  writeRandomBase(base, { tokenizer: true });
  const first = path.join(folder, "named");
  await importStudent({ source: base, out: first, dtypes: ["q4"], origin: "some/base" });
  const second = await student("renamed", first, ["q8"]);
  assert.equal(readManifest(second).base, "some/base");
  assert.equal(readManifest(second).licence, readManifest(first).licence);
  for (const file of ["tokenizer.json", "tokenizer_config.json", "generation_config.json"]) {
    assert.deepEqual(readFileSync(path.join(second, file)), readFileSync(path.join(first, file)), file);
  }
});

const refused = (code: string, pattern: RegExp) => (error: unknown) => {
  assert.ok(error instanceof MagdiError, String(error));
  assert.equal(error.code, code);
  assert.match(error.message, pattern);
  return true;
};

test("a student without a format that keeps its weights is refused by what it holds", async () => {
  const eight = await student("eight", fixture("tiny-llama/base"), ["q8"]);
  assert.throws(() => openBase(eight), refused("MAGDI_BAD_CONFIG", /fp32 or q4, found q8; import what/));
});

test("a data file that was cut short is named", async () => {
  const cut = await student("cut", fixture("tiny-llama/base"), ["q4"]);
  const file = path.join(cut, "onnx", "model_q4.onnx_data");
  truncateSync(file, 100);
  assert.throws(() => openBase(cut), refused("MAGDI_BAD_FILE", /model_q4\.onnx_data/));
});
