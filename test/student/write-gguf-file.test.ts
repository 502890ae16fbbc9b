// Bases written as GGUF files: held to files of gguf-py's, and read back by the reader.

import assert from "node:assert/strict";
import { copyFileSync, existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { openBase } from "../../src/student/open-base.ts";
import { type GgufDtype, writeGgufFile } from "../../src/student/write-gguf-file.ts";
import { importStudent } from "../../src/student/write-student-folder.ts";
import { dequantize } from "../../src/tensor/ggml-blocks.ts";
import { quantiseBlocks } from "../../src/tensor/ggml-quantise.ts";
import { openGguf } from "../../src/tensor/gguf.ts";
import { writeRandomBase } from "../support/random-base.ts";
import { fixture, scratchFolder } from "../support/scratch-folder.ts";

const folder = scratchFolder();

async function written(name: string, source: string, dtype: GgufDtype, options = {}): Promise<string> {
  const out = path.join(folder, `${name}.gguf`);
  await writeGgufFile({ source, out, dtype, ...options });
  return out;
}

/** Files of gguf-py's, written from the same weights. */
const REFERENCES = [
  ["tiny-llama", "tiny-llama/base", "tiny-llama.gguf", "f32"],
  ["tiny-qwen2", "tiny-qwen2/base", "families/tiny-qwen2-gguf/model.gguf", "f32"],
  ["tiny-qwen3", "families/tiny-qwen3/base", "families/tiny-qwen3/model.gguf", "f16"],
] as const;

for (const [name, source, reference, dtype] of REFERENCES) {
  test(`${name}: every tensor, and what metadata there is, is gguf-py's`, async () => {
    const ours = openGguf(await written(name, fixture(source), dtype));
    const theirs = openGguf(fixture(reference));
    assert.deepEqual([...ours.entries.keys()].sort(), [...theirs.entries.keys()].sort());
    for (const [tensor, { type, shape }] of theirs.entries) {
      assert.deepEqual(
        { type: ours.entries.get(tensor)?.type, shape: ours.entries.get(tensor)?.shape },
        { type, shape },
        tensor,
      );
      assert.deepEqual(ours.readRaw(tensor), theirs.readRaw(tensor), tensor);
    }
    for (const [key, value] of theirs.metadata) {
      // The fixtures' names and placeholder tokens are their own.
      if (/^tokenizer|^general\.(name|file_type)|^general\.quantization/.test(key)) continue;
      assert.deepEqual(ours.metadata.get(key), value, key);
    }
    ours.close();
    theirs.close();
  });
}

for (const name of [
  "tiny-llama-linear",
  "tiny-llama3-rope",
  "tiny-llama3-rope-bands",
  "tiny-mistral",
  "tiny-qwen2-window",
  "tiny-qwen3-untied",
]) {
  test(`${name}: what is read back computes the same`, async () => {
    const source = fixture("families", name, "base");
    const original = openBase(source);
    if (name === "tiny-qwen3-untied") {
      // Its biases have no place in llama.cpp's qwen3.
      await assert.rejects(written(name, source, "f32"), {
        code: "MAGDI_UNSUPPORTED",
        message: /biases are not what qwen3 files can say; .*--to hf/,
      });
      return original.close();
    }
    const base = openBase(await written(name, source, "f32"));
    const { config } = original;
    const { ropeScaling, windows, positions, normEpsilon, ...others } = base.config;
    const { ropeScaling: _r, windows: _w, positions: _p, normEpsilon: _e, ...expected } = config;
    assert.deepEqual(others, expected);
    assert.ok(Math.abs(normEpsilon / config.normEpsilon - 1) < 1e-6);
    const window = Math.min(...config.windows.map((each) => each ?? config.positions));
    assert.equal(positions, Math.min(config.positions, window));
    assert.equal(
      ropeScaling.kind,
      config.ropeScaling.kind === "llama3" ? "factors" : config.ropeScaling.kind,
    );
    for (const tensor of base.tensors.keys()) {
      const found = base.tensors.get(tensor)!.readFloat32();
      assert.deepEqual(found, original.tensors.get(tensor)!.readFloat32(), tensor);
    }
    base.close();
    original.close();
  });
}

test("a sliding window cuts the context, and the card says so", async () => {
  const out = path.join(folder, "window.gguf");
  const source = fixture("families/tiny-mistral/base");
  const { provenance } = await writeGgufFile({ source, out, dtype: "f32" });
  assert.match(provenance.notes!.join(" "), /context is cut from \d+ tokens to the window's 6/);
});

test("YaRN is written as llama.cpp computes it, and refused with a factor of its own for attention", async () => {
  const yarn = { rope_type: "yarn", factor: 4, original_max_position_embeddings: 64, beta_fast: 24 };
  const source = path.join(folder, "yarn");
  const { ropeScaling } = writeRandomBase(source, { config: { model_type: "qwen2", rope_scaling: yarn } });
  const base = openBase(await written("yarn", source, "f32"));
  assert.deepEqual(base.config.ropeScaling, ropeScaling);
  assert.equal(ropeScaling.kind, "yarn");
  base.close();
  const other = path.join(folder, "yarn-other");
  writeRandomBase(other, { config: { rope_scaling: { ...yarn, attention_factor: 1 } } });
  await assert.rejects(written("yarn-other", other, "f32"), {
    code: "MAGDI_UNSUPPORTED",
    message: /yarn with .* an attention_factor of its own, is not what GGUF files can say/,
  });
});

test("Q8_0 and Q4_1: matrices in ggml's blocks, vectors in float32, embedding and head never in 4 bits", async () => {
  const source = path.join(folder, "untied");
  writeRandomBase(source, { config: { tie_word_embeddings: false }, tokenizer: true });
  const base = openBase(source);
  const expected = base.tensors.get("model.layers.0.mlp.up_proj.weight")!.readFloat32();
  base.close();
  for (const [dtype, type, vocabulary] of [
    ["q8_0", "Q8_0", "Q8_0"],
    ["q4_1", "Q4_1", "Q8_0"],
  ] as const) {
    const file = openGguf(await written(`untied-${dtype}`, source, dtype));
    const typeOf = (name: string) => file.entries.get(name)?.type;
    assert.equal(typeOf("blk.0.ffn_up.weight"), type);
    assert.equal(typeOf("blk.0.attn_q.weight"), type);
    assert.equal(typeOf("token_embd.weight"), vocabulary);
    assert.equal(typeOf("output.weight"), vocabulary);
    assert.equal(typeOf("blk.0.attn_norm.weight"), "F32");
    const bytes = quantiseBlocks(type, expected);
    assert.deepEqual(file.readFloat32("blk.0.ffn_up.weight"), dequantize(type, bytes, expected.length));
    assert.equal(file.getNumber("general.file_type"), dtype === "q8_0" ? 7 : 3);
    assert.equal(file.getString("tokenizer.ggml.pre"), "smollm");
    file.close();
  }
});

test("rows that are not whole blocks become float16", async () => {
  const source = path.join(folder, "narrow");
  writeRandomBase(source, { config: { hidden_size: 48, num_attention_heads: 3, num_key_value_heads: 3 } });
  const file = openGguf(await written("narrow", source, "q4_1"));
  assert.equal(file.entries.get("blk.0.ffn_up.weight")?.type, "F16");
  assert.equal(file.entries.get("blk.0.ffn_down.weight")?.type, "Q4_1");
  file.close();
});

test("a quantised student goes on in its own codes, and is not passed off as float32", async () => {
  const source = path.join(folder, "q4-source");
  writeRandomBase(source, { tokenizer: true });
  const student = path.join(folder, "q4-student");
  await importStudent({ source, out: student, dtypes: ["q4"], threads: 1 });
  await assert.rejects(written("q4-f32", student, "f32"), {
    code: "MAGDI_UNSUPPORTED",
    message: /quantised to 4 bits.*choose fp16 or bf16.*or export from the base/,
  });
  assert.ok(!existsSync(path.join(folder, "q4-f32.gguf")));
  const stored = openBase(student);
  const written4 = openBase(await written("q4-own", student, "q4_1"));
  const name = "model.layers.0.self_attn.q_proj.weight";
  const [own, found] = [stored, written4].map((base) => base.tensors.get(name)!.readGrid!());
  assert.deepEqual(found!.codes, own!.codes);
  const furthest = own!.scales.reduce(
    (most, scale, at) => Math.max(most, Math.abs(found!.scales[at]! / scale - 1)),
    0,
  );
  // Rounded to float16.
  assert.ok(furthest <= 2 ** -11, String(furthest));
  stored.close();
  written4.close();
});

test("a file that is there, the base itself and other names are refused", async () => {
  const source = fixture("tiny-llama/base");
  const out = path.join(folder, "there.gguf");
  copyFileSync(fixture("tiny-llama.gguf"), out);
  const before = readFileSync(out);
  await assert.rejects(writeGgufFile({ source, out }), { message: /there\.gguf exists; pass --force/ });
  await assert.rejects(writeGgufFile({ source: out, out, force: true }), { message: /is the base itself/ });
  await assert.rejects(writeGgufFile({ source, out: path.join(folder, "model") }), {
    message: /--out: expected a name that ends in \.gguf/,
  });
  assert.ok(readFileSync(out).equals(before));
  await writeGgufFile({ source, out, force: true });
  assert.ok(!readFileSync(out).equals(before));
});
