// Bases written as Hugging Face folders, read back by the reader. What Transformers computes from them is in
// portable-python.test.ts.

import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { openBase } from "../../src/student/open-base.ts";
import { writeHuggingFaceFolder } from "../../src/student/write-hugging-face-folder.ts";
import { importStudent } from "../../src/student/write-student-folder.ts";
import { encodeBfloat16, encodeFloat16 } from "../../src/tensor/half.ts";
import { openSafetensors } from "../../src/tensor/safetensors.ts";
import { writeRandomBase } from "../support/random-base.ts";
import { fixture, scratchFolder } from "../support/scratch-folder.ts";

const folder = scratchFolder();
const readJson = (...parts: string[]) => JSON.parse(readFileSync(path.join(...parts), "utf8"));

const FAMILIES = [
  "tiny-llama",
  "tiny-qwen2",
  ...["tiny-llama-linear", "tiny-llama3-rope", "tiny-mistral", "tiny-qwen2-window", "tiny-qwen3-untied"].map(
    (name) => `families/${name}`,
  ),
];

for (const name of FAMILIES) {
  test(`${name} in fp32 has every value of the source, and its configuration`, async () => {
    const source = fixture(name, "base");
    const out = path.join(folder, path.basename(name));
    await writeHuggingFaceFolder({ source, out, dtype: "fp32" });
    const [original, copy] = [openBase(source), openBase(out)];
    assert.deepEqual(copy.config, original.config);
    const { torch_dtype, dtype, rope_scaling, ...rest } = readJson(out, "config.json");
    const {
      torch_dtype: _t,
      dtype: _d,
      rope_scaling: oldScaling,
      ...expected
    } = readJson(source, "config.json");
    assert.deepEqual(rest, expected);
    assert.deepEqual([torch_dtype, dtype], ["float32", "float32"]);
    assert.ok(oldScaling === undefined || JSON.stringify(oldScaling) === JSON.stringify(rope_scaling));
    assert.deepEqual([...copy.tensors.keys()].sort(), [...original.tensors.keys()].sort());
    for (const [tensor, { readFloat32 }] of original.tensors) {
      assert.deepEqual(copy.tensors.get(tensor)!.readFloat32(), readFloat32(), tensor);
    }
    copy.close();
    original.close();
  });
}

test("bf16 and fp16 are rounded to nearest, and named; without --dtype the source's own is kept", async () => {
  const source = path.join(folder, "floats");
  writeRandomBase(source, { tokenizer: true });
  const name = "model.layers.0.mlp.down_proj.weight";
  const base = openBase(source);
  const values = base.tensors.get(name)!.readFloat32();
  base.close();
  for (const [dtype, encoded, type, torch] of [
    ["bf16", encodeBfloat16(values), "BF16", "bfloat16"],
    ["fp16", encodeFloat16(values), "F16", "float16"],
  ] as const) {
    const out = path.join(folder, `floats-${dtype}`);
    await writeHuggingFaceFolder({ source, out, dtype });
    const file = openSafetensors(path.join(out, "model.safetensors"));
    assert.equal(file.entries.get(name)?.type, type);
    assert.deepEqual(file.readRaw(name), new Uint8Array(encoded.buffer));
    file.close();
    assert.equal(readJson(out, "config.json").dtype, torch);
    assert.match(readFileSync(path.join(out, "README.md"), "utf8"), new RegExp(`Weights in ${dtype}`));
    const again = path.join(folder, `again-${dtype}`);
    assert.equal((await writeHuggingFaceFolder({ source: out, out: again })).dtype, dtype);
    assert.deepEqual(
      readFileSync(path.join(again, "model.safetensors")),
      readFileSync(path.join(out, "model.safetensors")),
    );
    assert.deepEqual(readdirSync(out).sort(), [
      "README.md",
      "config.json",
      "model.safetensors",
      "tokenizer.json",
      "tokenizer_config.json",
    ]);
  }
});

test("a large model is written in shards with an index, which Transformers' names say", async () => {
  const source = fixture("tiny-llama/base");
  const out = path.join(folder, "shards");
  await writeHuggingFaceFolder({ source, out, dtype: "fp32", shardBytes: 100_000 });
  const shards = readdirSync(out)
    .filter((name) => name.endsWith(".safetensors"))
    .sort();
  assert.ok(shards.length > 2);
  shards.forEach((name, index) => {
    const digits = (value: number) => String(value).padStart(5, "0");
    assert.equal(name, `model-${digits(index + 1)}-of-${digits(shards.length)}.safetensors`);
  });
  const { metadata, weight_map: map } = readJson(out, "model.safetensors.index.json");
  let bytes = 0;
  for (const shard of shards) {
    const file = openSafetensors(path.join(out, shard));
    const sizes = [...file.entries.values()].map(({ byteLength }) => byteLength);
    const size = sizes.reduce((sum, each) => sum + each, 0);
    assert.ok(size <= 100_000 || sizes.length === 1);
    bytes += size;
    for (const name of file.entries.keys()) assert.equal(map[name], shard);
    file.close();
  }
  assert.equal(metadata.total_size, bytes);
  const [original, copy] = [openBase(source), openBase(out)];
  assert.deepEqual([...copy.tensors.keys()].sort(), [...original.tensors.keys()].sort());
  copy.close();
  original.close();
});

test("a GGUF file's rotary factors become the scaling of Llama 3.1 where they are its, else are refused", async () => {
  const config = {
    head_dim: 64,
    max_position_embeddings: 512,
    rope_theta: 500000,
    rope_scaling: {
      rope_type: "llama3",
      factor: 32,
      low_freq_factor: 1,
      high_freq_factor: 4,
      original_max_position_embeddings: 8192,
    },
  };
  const { writeGgufFile } = await import("../../src/student/write-gguf-file.ts");
  const source = path.join(folder, "llama3");
  writeRandomBase(source, { config });
  const gguf = path.join(folder, "llama3.gguf");
  await writeGgufFile({ source, out: gguf, dtype: "f32" });
  const out = path.join(folder, "llama3-again");
  await writeHuggingFaceFolder({ source: gguf, out, dtype: "fp32" });
  const written = readJson(out, "config.json");
  assert.deepEqual(written.rope_scaling, config.rope_scaling);
  assert.deepEqual(written.rope_parameters, { ...config.rope_scaling, rope_theta: 500000 });
  const other = path.join(folder, "llama3-other");
  writeRandomBase(other, { config: { ...config, rope_scaling: { ...config.rope_scaling, factor: 5 } } });
  await writeGgufFile({ source: other, out: `${other}.gguf`, dtype: "f32" });
  await assert.rejects(writeHuggingFaceFolder({ source: `${other}.gguf`, out: `${other}-again` }), {
    code: "MAGDI_UNSUPPORTED",
    message: /rope_freqs\.weight: expected the factors of Llama 3\.1 or 3\.2/,
  });
  assert.ok(!existsSync(`${other}-again`));
});

test("a quantised student is written in 16 bits, which is said, and refused as fp32", async () => {
  const source = path.join(folder, "q4-source");
  writeRandomBase(source, { tokenizer: true });
  const student = path.join(folder, "q4-student");
  await importStudent({ source, out: student, dtypes: ["q4"], threads: 1 });
  const out = path.join(folder, "q4-out");
  await assert.rejects(writeHuggingFaceFolder({ source: student, out, dtype: "fp32" }), {
    code: "MAGDI_UNSUPPORTED",
    message: /quantised to 4 bits, and float32 would not bring back/,
  });
  assert.ok(!existsSync(out));
  const { dtype, provenance } = await writeHuggingFaceFolder({ source: student, out });
  assert.equal(dtype, "fp16");
  assert.match(provenance.notes!.join(" "), /of 4 bits and more, written as F16: no finer/);
  assert.equal(readJson(out, "config.json")["transformers.js_config"], undefined);
});

test("a folder that holds something else, or the base, is left alone", async () => {
  const source = path.join(folder, "own");
  writeRandomBase(source);
  await assert.rejects(writeHuggingFaceFolder({ source, out: source, force: true }), {
    message: /--out: .*own is the base itself/,
  });
  await assert.rejects(writeHuggingFaceFolder({ source, out: source }), { message: /pass --force/ });
  const other = path.join(folder, "other");
  mkdirSync(other);
  writeFileSync(path.join(other, "thesis.txt"), "mine");
  await assert.rejects(writeHuggingFaceFolder({ source, out: other, force: true }), {
    message: /is not a Hugging Face folder/,
  });
  assert.deepEqual(readdirSync(other), ["thesis.txt"]);
  const twice = path.join(folder, "twice");
  await writeHuggingFaceFolder({ source, out: twice });
  await writeHuggingFaceFolder({ source, out: twice, force: true });
  assert.ok(existsSync(path.join(twice, "model.safetensors")));
});
