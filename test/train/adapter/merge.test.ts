import assert from "node:assert/strict";
import { cpSync, mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { MagdiError } from "../../../src/base/errors.ts";
import type { BaseModel } from "../../../src/student/base-model.ts";
import { openHuggingFaceBase } from "../../../src/student/hugging-face-base.ts";
import { openBase } from "../../../src/student/open-base.ts";
import { decodeBfloat16 } from "../../../src/tensor/half.ts";
import { openSafetensors, writeSafetensors } from "../../../src/tensor/safetensors.ts";
import { mergedBase } from "../../../src/train/adapter/merge.ts";
import { readPeftAdapter } from "../../../src/train/adapter/peft-adapter.ts";
import { openStudentForward } from "../../../src/train/step/student-forward.ts";
import { encodeBfloat16 } from "../../support/bfloat16.ts";
import { type RandomTensor, writeRandomAdapter } from "../../support/random-adapter.ts";
import { fixture, scratchFolder } from "../../support/scratch-folder.ts";

const folder = scratchFolder();

/** W + s·B·A, value by value. */
function expectedMerge(w: Float32Array, a: RandomTensor, b: RandomTensor, scale: number): Float32Array {
  const [rank = 0, columns = 0] = a.shape;
  return w.map((value, at) => {
    const row = Math.floor(at / columns);
    let sum = 0;
    for (let k = 0; k < rank; k++) sum += b.data[row * rank + k]! * a.data[k * columns + (at % columns)]!;
    return value + scale * sum;
  });
}

function closeTo(found: Float32Array, expected: Float32Array, within: number): void {
  assert.equal(found.length, expected.length);
  const worst = found.reduce((most, value, at) => Math.max(most, Math.abs(value - expected[at]!)), 0);
  assert.ok(worst <= within, `expected at most ${within}, found ${worst}`);
}

for (const name of ["tiny-llama", "tiny-qwen2"]) {
  test(`${name}: the merged base gives PyTorch's logits of base and adapter`, async () => {
    const base = openHuggingFaceBase(fixture(name, "base"));
    const { modules } = readPeftAdapter(fixture(name, "adapter"), base.config);
    const file = openSafetensors(fixture(name, "adapter_forward.safetensors"));
    const [rows = 0, columns = 0] = file.entries.get("input_ids")!.shape;
    const ids = BigInt64Array.from(new Int32Array(file.readRaw("input_ids").buffer), BigInt);
    const forward = await openStudentForward(mergedBase(base, modules), null, { threads: 1 });
    closeTo(await forward.run(ids, rows, columns), file.readFloat32("logits"), 1e-4);
    forward.close();
    file.close();
    base.close();
  });
}

/** The base again, its weights in bfloat16 and in two shards. */
function writeShards(from: string, to: string): void {
  mkdirSync(to);
  cpSync(path.join(from, "config.json"), path.join(to, "config.json"));
  const file = openSafetensors(path.join(from, "model.safetensors"));
  const tensors = [...file.entries.values()].map(({ name, shape }) => {
    return { name, type: "BF16" as const, shape, data: encodeBfloat16(file.readFloat32(name)) };
  });
  file.close();
  const half = Math.ceil(tensors.length / 2);
  const map: Record<string, string> = {};
  for (const [index, part] of [tensors.slice(0, half), tensors.slice(half)].entries()) {
    const shard = `model-0000${index + 1}-of-00002.safetensors`;
    writeSafetensors(path.join(to, shard), part);
    for (const { name } of part) map[name] = shard;
  }
  writeFileSync(path.join(to, "model.safetensors.index.json"), JSON.stringify({ weight_map: map }));
}

test("a base in bfloat16 and shards is merged in float32, its head and every kind of module too", () => {
  const from = fixture("tiny-qwen2", "base");
  const shards = path.join(folder, "shards");
  writeShards(from, shards);
  const kinds = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj", "lm_head"];
  const original = openHuggingFaceBase(from);
  const base = openHuggingFaceBase(shards);
  const at = path.join(folder, "all-modules");
  const written = writeRandomAdapter(at, base.config, { rank: 5, targets: kinds });
  const { modules } = readPeftAdapter(at, base.config);
  assert.equal(modules.length, 7 * base.config.layers + 1);
  const merged = mergedBase(base, modules);
  for (const { module } of modules) {
    const [a, b] = ["A", "B"].map((part) => written.get(`base_model.model.${module}.lora_${part}.weight`)!);
    const bits = encodeBfloat16(original.tensors.get(`${module}.weight`)!.readFloat32());
    const weight = decodeBfloat16(new Uint8Array(bits.buffer));
    const found = merged.tensors.get(`${module}.weight`)!;
    closeTo(found.readFloat32(), expectedMerge(weight, a!, b!, 8 / 5), 1e-6);
    // Read anew each time: nothing is added twice.
    assert.deepEqual(found.readFloat32(), found.readFloat32());
  }
  const norm = "model.norm.weight";
  assert.deepEqual(merged.tensors.get(norm)!.readFloat32(), base.tensors.get(norm)!.readFloat32());
  original.close();
  merged.close();
  assert.throws(() => base.tensors.get(norm)!.readFloat32());
});

test("a quantised base's merged weights lie on no grid, the others stay on theirs", () => {
  const base = openBase(fixture("families", "tiny-llama-kquant", "model.gguf"));
  const at = path.join(folder, "quantised");
  const written = writeRandomAdapter(at, base.config, { targets: ["o_proj"] });
  const { modules } = readPeftAdapter(at, base.config);
  const merged = mergedBase(base, modules);
  const name = "model.layers.0.self_attn.o_proj";
  const [a, b] = ["A", "B"].map((part) => written.get(`base_model.model.${name}.lora_${part}.weight`)!);
  const expected = expectedMerge(base.tensors.get(`${name}.weight`)!.readFloat32(), a!, b!, 2);
  const found = merged.tensors.get(`${name}.weight`)!;
  closeTo(found.readFloat32(), expected, 1e-6);
  assert.notEqual(base.tensors.get(`${name}.weight`)!.readGrid, null);
  assert.equal(found.readGrid, null);
  assert.equal(found.sourceBits, base.tensors.get(`${name}.weight`)!.sourceBits);
  const other = "model.layers.0.mlp.up_proj.weight";
  assert.deepEqual(merged.tensors.get(other)!.readGrid?.(), base.tensors.get(other)!.readGrid?.());
  base.close();
});

test("a module that the base has in another shape is refused", () => {
  const llama = openHuggingFaceBase(fixture("tiny-llama", "base"));
  const qwen: BaseModel = openHuggingFaceBase(fixture("tiny-qwen2", "base"));
  const { modules } = readPeftAdapter(fixture("tiny-qwen2", "adapter"), qwen.config);
  assert.throws(
    () => mergedBase(llama, modules),
    (error) =>
      error instanceof MagdiError &&
      /q_proj\.weight: expected \[48, 48\].*found \[64, 64\]/.test(error.message),
  );
  llama.close();
  qwen.close();
});
