import assert from "node:assert/strict";
import { truncateSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { ErrorCode } from "../../src/base/errors.ts";
import { openGguf } from "../../src/tensor/gguf.ts";
import { openSafetensors } from "../../src/tensor/safetensors.ts";
import {
  array,
  f32,
  type GgufParts,
  type GgufTensor,
  ggufBytes,
  text,
  u32,
  u64,
} from "./support/gguf-bytes.ts";
import { assertRefused, assertTruncationsRefused, openMutations } from "./support/hostile.ts";
import { fixtures, scratchFolder } from "./support/scratch.ts";

const scratch = scratchFolder();
const F32 = 0;
const Q4_0 = 2;
const STRING = 8;
const ARRAY = 9;

const pairs: GgufParts["pairs"] = [
  ["general.architecture", STRING, text("llama")],
  ["general.name", STRING, text("Zwölf 🦙")],
  ["u8", 0, Uint8Array.of(255)],
  ["i8", 1, Uint8Array.of(255)],
  ["u16", 2, Uint8Array.of(1, 2)],
  ["i16", 3, Uint8Array.of(255, 255)],
  ["u32", 4, u32(4_000_000_000)],
  ["i32", 5, u32(4_294_967_295)],
  ["f32", 6, f32(0.5)],
  ["yes", 7, Uint8Array.of(1)],
  ["u64", 10, u64(2 ** 40)],
  ["large", 10, u64(2n ** 63n)],
  ["i64", 11, u64(2n ** 64n - 5n)],
  ["f64", 12, new Uint8Array(new Float64Array([0.1]).buffer)],
  ["tokens", ARRAY, array(STRING, [text("a"), text(""), text("Ġb")])],
  ["scores", ARRAY, array(6, [f32(-1), f32(2)])],
  ["flags", ARRAY, array(7, [Uint8Array.of(0), Uint8Array.of(1)])],
  ["nested", ARRAY, array(ARRAY, [array(5, [u32(1), u32(2)]), array(5, [])])],
];
const tensors: readonly GgufTensor[] = [
  { name: "matrix", dimensions: [2, 3], type: F32, offset: 0 },
  { name: "blocks", dimensions: [32, 1], type: Q4_0, offset: 32 },
  { name: "scalar", dimensions: [], type: F32, offset: 64 },
];
const data = Buffer.concat([
  new Uint8Array(new Float32Array([1, 2, 3, 4, 5, 6]).buffer),
  Buffer.alloc(8),
  Uint8Array.of(0, 0x3c, 0x80),
  Buffer.alloc(15, 0x88),
  Buffer.alloc(14),
  f32(7),
]);
const small = ggufBytes({ pairs, tensors, data });

function refuse(parts: GgufParts, code: ErrorCode, pattern: RegExp): void {
  const path = scratch.write("hostile.gguf", ggufBytes(parts));
  assertRefused(() => openGguf(path), code, /hostile\.gguf: /);
  assertRefused(() => openGguf(path), code, pattern);
}

test("metadata of every type, and tensors with their outermost dimension first", () => {
  for (const version of [2, 3]) {
    const file = openGguf(scratch.write("small.gguf", ggufBytes({ pairs, tensors, data, version })));
    assert.equal(file.getString("general.name"), "Zwölf 🦙");
    const numbers = ["u8", "i8", "u16", "i16", "u32", "i32", "f32", "u64", "i64", "f64"];
    const expected = [255, -1, 513, -1, 4_000_000_000, -1, 0.5, 2 ** 40, -5, 0.1];
    assert.deepEqual(
      numbers.map((key) => file.getNumber(key)),
      expected,
    );
    assert.equal(file.getBoolean("yes"), true);
    assert.equal(file.metadata.get("large"), 2n ** 63n);
    assert.deepEqual(file.getStringArray("tokens"), ["a", "", "Ġb"]);
    assert.deepEqual(file.getNumberArray("scores"), [-1, 2]);
    assert.deepEqual(file.metadata.get("flags"), [false, true]);
    assert.deepEqual(file.metadata.get("nested"), [[1, 2], []]);
    assert.deepEqual(file.entries.get("matrix")?.shape, [3, 2]);
    assert.deepEqual([...file.readFloat32("matrix")], [1, 2, 3, 4, 5, 6]);
    const blocks = file.readFloat32("blocks");
    assert.deepEqual([blocks[0], blocks[16], blocks[1]], [-8, 0, 0]);
    assert.deepEqual([...file.readFloat32("scalar")], [7]);
    file.close();
    assertRefused(() => file.readRaw("matrix"), "MAGDI_BAD_FILE", /closed/);
  }
});

test("getters name the key, what was expected and what is there", () => {
  const file = openGguf(scratch.write("small.gguf", small));
  assert.equal(file.getOptionalString("none"), null);
  assert.equal(file.getOptionalNumber("none"), null);
  assert.equal(file.getOptionalBoolean("none"), null);
  assert.equal(file.getOptionalStringArray("none"), null);
  assert.equal(file.getOptionalNumberArray("none"), null);
  assertRefused(
    () => file.getString("none"),
    "MAGDI_BAD_FILE",
    /small\.gguf: metadata "none": expected the key/,
  );
  assertRefused(
    () => file.getString("u8"),
    "MAGDI_BAD_FILE",
    /"u8": expected a string, found the number "255"/,
  );
  assertRefused(() => file.getNumber("large"), "MAGDI_BAD_FILE", /within 2\^53, found the bigint/);
  assertRefused(() => file.getOptionalNumber("tokens"), "MAGDI_BAD_FILE", /an array of 3/);
  assertRefused(() => file.getStringArray("scores"), "MAGDI_BAD_FILE", /array of strings/);
  assertRefused(() => file.getNumberArray("tokens"), "MAGDI_BAD_FILE", /array of numbers/);
  assertRefused(() => file.getBoolean("u8"), "MAGDI_BAD_FILE", /a boolean/);
  file.close();
});

/** The rows [rows, columns] of q and k as Hugging Face orders them: a head's pairs (i, i + d/2), not (2i, 2i + 1). */
function unpermuted(values: Float32Array, rows: number, headDim: number): Float32Array {
  const columns = values.length / rows;
  const result = new Float32Array(values.length);
  for (let row = 0; row < rows; row++) {
    const within = row % headDim;
    const target = row - within + (within % 2) * (headDim / 2) + (within >> 1);
    result.set(values.subarray(row * columns, (row + 1) * columns), target * columns);
  }
  return result;
}

test("a model's GGUF has the values and shapes of its safetensors", () => {
  const gguf = openGguf(join(fixtures, "tiny-llama.gguf"));
  const safetensors = openSafetensors(join(fixtures, "tiny-llama/base/model.safetensors"));
  const headDim = gguf.getNumber("llama.rope.dimension_count");
  const parts: Record<string, string> = {
    attn_norm: "input_layernorm",
    ffn_norm: "post_attention_layernorm",
    ffn_down: "mlp.down_proj",
    ffn_gate: "mlp.gate_proj",
    ffn_up: "mlp.up_proj",
    attn_q: "self_attn.q_proj",
    attn_k: "self_attn.k_proj",
    attn_v: "self_attn.v_proj",
    attn_output: "self_attn.o_proj",
  };
  const whole: Record<string, string> = { token_embd: "model.embed_tokens", output_norm: "model.norm" };
  let compared = 0;
  for (const { name, shape } of gguf.entries.values()) {
    const inBlock = /^blk\.(\d+)\.(\w+)\.weight$/.exec(name);
    const other = inBlock
      ? `model.layers.${inBlock[1]}.${parts[inBlock[2] ?? ""]}.weight`
      : `${whole[name.replace(".weight", "")]}.weight`;
    assert.deepEqual(shape, safetensors.entries.get(other)?.shape, `${name} ${other}`);
    const values = gguf.readFloat32(name);
    const isPermuted = /attn_[qk]\.weight$/.test(name);
    const ordered = isPermuted ? unpermuted(values, shape[0] ?? 0, headDim) : values;
    assert.deepEqual(ordered, safetensors.readFloat32(other), name);
    compared++;
  }
  assert.equal(compared, safetensors.entries.size);
  gguf.close();
  safetensors.close();
});

test("a vocabulary of 150 000 tokens", () => {
  const tokens = Array.from({ length: 150_000 }, (_, i) => text(`token ${i}`));
  const types = tokens.map(() => u32(1));
  const large: GgufParts["pairs"] = [
    ["tokens", ARRAY, array(STRING, tokens)],
    ["types", ARRAY, array(5, types)],
  ];
  const file = openGguf(scratch.write("vocabulary.gguf", ggufBytes({ pairs: large })));
  assert.equal(file.getStringArray("tokens").at(-1), "token 149999");
  assert.equal(file.getNumberArray("types").length, 150_000);
  file.close();
});

test("every truncation is refused", () => {
  assertTruncationsRefused(scratch, small, openGguf);
});

test("four thousand damaged files: read, or refused", () => {
  const options = { count: 2000, before: small.length };
  const opened = openMutations(scratch, small, openGguf, { ...options, seed: 3 });
  openMutations(scratch, small, openGguf, { ...options, seed: 4, before: 40 });
  assert.ok(opened > 0 && opened < 2000, `${opened} of 2000 were read`);
});

test("what is no GGUF, or one of another kind", () => {
  const zip = scratch.write("zip", Buffer.from("PK\u0003\u0004 and more"));
  assertRefused(() => openGguf(zip), "MAGDI_BAD_FILE", /expected GGUF, found "PK/);
  refuse({ version: 1 }, "MAGDI_UNSUPPORTED", /1 is too old/);
  refuse({ version: 3 << 24 }, "MAGDI_UNSUPPORTED", /big-endian/);
  refuse({ version: 4 }, "MAGDI_BAD_FILE", /2 or 3, found 4/);
  refuse({ version: 0 }, "MAGDI_BAD_FILE", /found 0/);
  refuse({ pairs: [["split.count", 2, Uint8Array.of(3, 0)]] }, "MAGDI_UNSUPPORTED", /one of 3 parts/);
});

test("counts that lie", () => {
  refuse({ tensorCount: 2n ** 60n }, "MAGDI_BAD_FILE", /number of tensors.*found 1152921504606846976/);
  refuse({ pairCount: 2n ** 64n - 1n }, "MAGDI_BAD_FILE", /number of metadata keys/);
  refuse({ pairCount: 1n, data: Buffer.alloc(64) }, "MAGDI_BAD_FILE", /key 1 of 1.*an empty one/);
  refuse(
    { pairs: [["k", STRING, u64(2n ** 63n)]] },
    "MAGDI_BAD_FILE",
    /"k": expected at most 0?\d*.*found 9223372036854775808/,
  );
  for (const [type, elements] of [
    [4, 2 ** 40],
    [STRING, 40],
    [7, 1000],
    [ARRAY, 40],
  ] as const) {
    const value = Buffer.concat([array(type, [], elements), Buffer.alloc(64)]);
    refuse({ pairs: [["k", ARRAY, value]] }, "MAGDI_BAD_FILE", /metadata "k", its length/);
  }
});

test("lengths that lie in a file of gigabytes load nothing of the kind", () => {
  const path = scratch.write("hostile.gguf", ggufBytes({ pairs: [["k", STRING, u64(2 ** 31)]] }));
  truncateSync(path, 2 ** 32);
  assertRefused(() => openGguf(path), "MAGDI_UNSUPPORTED", /"k": metadata and tensor list are over/);
  const flags = scratch.write("flags.gguf", ggufBytes({ pairs: [["k", ARRAY, array(7, [], 2 ** 31)]] }));
  truncateSync(flags, 2 ** 32);
  assertRefused(() => openGguf(flags), "MAGDI_UNSUPPORTED", /"k": arrays have more than 16777216/);
  const many = scratch.write("many.gguf", ggufBytes({ tensorCount: 2n ** 24n }));
  truncateSync(many, 2 ** 32);
  assertRefused(() => openGguf(many), "MAGDI_UNSUPPORTED", /16777216 are over/);
});

test("metadata that lies", () => {
  refuse(
    { pairs: [["k", 13, u32(0)]] },
    "MAGDI_BAD_FILE",
    /"k": expected a value type from 0 to 12, found 13/,
  );
  refuse({ pairs: [["k", 7, Uint8Array.of(2)]] }, "MAGDI_BAD_FILE", /"k": expected a boolean/);
  refuse(
    {
      pairs: [
        ["k", 4, u32(1)],
        ["k", 4, u32(1)],
      ],
    },
    "MAGDI_BAD_FILE",
    /"k": expected each key once/,
  );
  refuse({ pairs: [["", 4, u32(1)]] }, "MAGDI_BAD_FILE", /key 1 of 1: expected a name/);
  refuse({ pairs: [["k".repeat(65_536), 4, u32(1)]] }, "MAGDI_BAD_FILE", /65535 characters, found 65536/);
  let nested = array(0, [Uint8Array.of(1)]);
  for (let i = 0; i < 4; i++) nested = array(ARRAY, [nested]);
  refuse({ pairs: [["k", ARRAY, nested]] }, "MAGDI_UNSUPPORTED", /"k": arrays are nested deeper than 4/);
  const bomb = Buffer.concat(Array.from({ length: 50_000 }, () => array(ARRAY, [], 1)));
  refuse({ pairs: [["k", ARRAY, bomb]] }, "MAGDI_UNSUPPORTED", /nested deeper/);
  for (const alignment of [0, 3, 33]) {
    refuse({ pairs: [["general.alignment", 4, u32(alignment)]] }, "MAGDI_BAD_FILE", /power of two, found/);
  }
  refuse(
    { pairs: [["general.alignment", STRING, text("32")]] },
    "MAGDI_BAD_FILE",
    /power of two, found the string/,
  );
});

test("another alignment is followed", () => {
  const file = openGguf(
    scratch.write(
      "aligned.gguf",
      ggufBytes({
        pairs: [["general.alignment", 4, u32(128)]],
        tensors: [{ name: "w", dimensions: [1], type: F32, offset: 128 }],
        alignment: 128,
        data: Buffer.concat([Buffer.alloc(128), f32(5)]),
      }),
    ),
  );
  assert.deepEqual([...file.readFloat32("w")], [5]);
  file.close();
});

test("tensors that lie", () => {
  const fill = Buffer.alloc(256);
  const w = { name: "w", dimensions: [4], type: F32, offset: 0 };
  const lie = (change: Partial<GgufTensor>, pattern: RegExp) =>
    refuse({ tensors: [{ ...w, ...change }], data: fill }, "MAGDI_BAD_FILE", pattern);
  lie({ name: "" }, /name of tensor 1 of 1: expected a name/);
  lie({ count: 5 }, /"w": expected at most 4 dimensions, found 5/);
  lie({ count: 4_000_000_000 }, /found 4000000000/);
  lie({ dimensions: [2n ** 63n] }, /"w", dimension 0: expected a number below 2\^53/);
  lie({ dimensions: [2 ** 32, 2 ** 32, 2 ** 32] }, /countable, found F32 \[4294967296/);
  lie({ dimensions: [2 ** 52] }, /countable/);
  lie({ dimensions: [65] }, /"w": expected 260 bytes of data in the file, found 256/);
  lie({ dimensions: [33], type: Q4_0 }, /whole blocks of 32.*found Q4_0 \[33\]/);
  lie({ offset: 7 }, /multiple of 32, found 7/);
  lie({ offset: 256 }, /272 bytes of data in the file, found 256/);
  lie({ offset: 2n ** 64n - 32n }, /offset: expected a number below 2\^53/);
  lie({ type: 99 }, /"w": expected a known ggml type, found 99/);
  refuse(
    { tensors: [{ ...w, type: 10 }], data: fill },
    "MAGDI_UNSUPPORTED",
    /"w": type Q2_K is not implemented/,
  );
  refuse({ tensors: [w, w], data: fill }, "MAGDI_BAD_FILE", /"w": expected each name once/);
  const wide = { ...w, dimensions: [16] };
  refuse(
    { tensors: [{ ...w, name: "v", offset: 32 }, wide], data: fill },
    "MAGDI_BAD_FILE",
    /"v": expected data from offset 64 on/,
  );
  const utf8 = Buffer.from(ggufBytes({ tensors: [{ ...w, name: "w?" }], data: fill }));
  utf8[utf8.indexOf("?")] = 0xff;
  assertRefused(() => openGguf(scratch.write("latin1", utf8)), "MAGDI_BAD_FILE", /expected UTF-8/);
});
