import assert from "node:assert/strict";
import { test } from "node:test";
import { MagdiError } from "../../src/base/errors.ts";
import { namesOf } from "../../src/base/known-fields.ts";
import { checkTensors } from "../../src/student/base-model.ts";
import { type ConfigJson, readConfigJson } from "../../src/student/config-json.ts";
import { CONFIG_FIELDS } from "../../src/student/config-json-fields.ts";
import { GGUF_FIELDS } from "../../src/student/gguf-fields.ts";
import { ROPE_FIELDS } from "../../src/student/rope-config.ts";
import { TOKENIZER_FIELDS } from "../../src/text/supported-tokenizer.ts";

const LLAMA: ConfigJson = {
  model_type: "llama",
  vocab_size: 160,
  hidden_size: 64,
  intermediate_size: 96,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  max_position_embeddings: 256,
};

/** The error's code, and its parts less the source's name. */
function problems(json: ConfigJson): [code: string, ...parts: string[]] {
  try {
    readConfigJson(json, "base");
  } catch (error) {
    assert.ok(error instanceof MagdiError, String(error));
    assert.ok(error.message.startsWith("base: "));
    return [error.code, ...error.message.slice("base: ".length).split("; ")];
  }
  return ["none"];
}

test("what a config.json leaves out has Transformers' defaults", () => {
  const config = readConfigJson(LLAMA, "base");
  assert.equal(config.headSize, 16);
  assert.equal(config.ropeTheta, 10000);
  assert.equal(config.normEpsilon, 1e-6);
  assert.equal(config.tiedHead, false);
  assert.deepEqual(config.ropeScaling, { kind: "none" });
  const { num_key_value_heads: _, ...multiHead } = LLAMA;
  assert.equal(readConfigJson({ ...multiHead, head_dim: null }, "base").keyValueHeads, 4);
});

test("every field that is missing or wrong is in one error", () => {
  assert.deepEqual(
    problems({
      model_type: "llama",
      hidden_size: "64",
      intermediate_size: -3,
      num_hidden_layers: 1.5,
      num_attention_heads: 4,
      num_key_value_heads: 3,
      max_position_embeddings: 2 ** 40,
      rms_norm_eps: null,
      tie_word_embeddings: "yes",
      rope_parameters: [],
      attention_bias: 1,
    }),
    [
      "MAGDI_BAD_FILE",
      'hidden_size: expected a positive number, found "64"',
      "num_hidden_layers: expected a whole number up to 2^31, found 1.5",
      "max_position_embeddings: expected a whole number up to 2^31, found 1099511627776",
      "num_attention_heads: expected a multiple of 3 key-value heads, found 4",
      "rope_parameters: expected an object, found []",
      "attention_bias: expected true or false, found 1",
      "vocab_size: expected a positive number, found nothing",
      "intermediate_size: expected a positive number, found -3",
      'tie_word_embeddings: expected true or false, found "yes"',
    ],
  );
});

test("everything that is not supported is in one error, by name", () => {
  assert.deepEqual(
    problems({
      ...LLAMA,
      head_dim: 12,
      num_hidden_layers: 4000,
      max_position_embeddings: 2 ** 21,
      hidden_act: "gelu",
      quantization_config: { bits: 4 },
      rope_scaling: { type: "longrope", factor: 4 },
      partial_rotary_factor: 0.5,
    }),
    [
      "MAGDI_UNSUPPORTED",
      'not supported: hidden_act "gelu" (only silu is computed)',
      'not supported: quantization_config {"bits":4} (weights that are codes: import the original checkpoint, or a GGUF file)',
      "not supported: partial_rotary_factor 0.5 (only whole heads are rotated)",
      "not supported: head_dim 12 (multiples of 8 are)",
      'not supported: rope_scaling.rope_type "longrope" (default, linear, dynamic, llama3, yarn, factors are)',
      "not supported: num_hidden_layers 4000 (up to 1000 are)",
      "not supported: a context of 2097152 (up to 1048576 are)",
    ],
  );
});

test("a wrong field comes with what is not supported, as a bad file", () => {
  const [code, ...parts] = problems({ ...LLAMA, vocab_size: 0, hidden_act: "relu" });
  assert.equal(code, "MAGDI_BAD_FILE");
  assert.equal(parts.length, 2);
});

test("another family is refused by name", () => {
  for (const [model_type, found] of [
    ["gpt2", '"gpt2"'],
    [undefined, "(missing)"],
    [7, "7"],
  ]) {
    const [code, ...parts] = problems({ ...LLAMA, model_type });
    assert.equal(code, "MAGDI_UNSUPPORTED");
    assert.equal(
      parts.join("; "),
      `model_type ${found} is not a supported family; llama, mistral, qwen2, qwen3 are`,
    );
  }
});

test("rope is read under the keys of Transformers 5 and 4, and its parts are checked", () => {
  const rope = (fields: ConfigJson) => readConfigJson({ ...LLAMA, ...fields }, "base");
  const linear = { kind: "linear", factor: 2 };
  assert.deepEqual(rope({ rope_theta: 5, rope_scaling: { type: "linear", factor: 2 } }).ropeScaling, linear);
  const five = rope({ rope_parameters: { rope_type: "linear", factor: 2, rope_theta: 7 }, rope_theta: 5 });
  assert.deepEqual([five.ropeScaling, five.ropeTheta], [linear, 7]);
  assert.deepEqual(problems({ ...LLAMA, rope_parameters: { rope_type: "llama3", factor: 8 } }), [
    "MAGDI_BAD_FILE",
    "rope_parameters.low_freq_factor: expected a positive number, found nothing",
    "rope_parameters.high_freq_factor: expected a positive number, found nothing",
  ]);
  assert.deepEqual(problems({ ...LLAMA, rope_scaling: { rope_type: "factors", factors: [1, 0, 2] } }), [
    "MAGDI_BAD_FILE",
    "rope factors: expected 8 positive numbers, found 2",
  ]);
});

test("sliding windows follow each family's own fields", () => {
  const windows = (fields: ConfigJson) =>
    readConfigJson({ ...LLAMA, sliding_window: 6, ...fields }, "base").windows;
  assert.deepEqual(windows({}), [null, null]);
  assert.deepEqual(windows({ model_type: "mistral" }), [6, 6]);
  assert.deepEqual(windows({ model_type: "qwen2" }), [null, null]);
  assert.deepEqual(windows({ model_type: "qwen2", use_sliding_window: true }), [null, null]);
  assert.deepEqual(windows({ model_type: "qwen2", use_sliding_window: true, max_window_layers: 1 }), [
    null,
    6,
  ]);
  assert.deepEqual(windows({ model_type: "qwen3", use_sliding_window: true, max_window_layers: 0 }), [6, 6]);
  const kinds = ["sliding_attention", "full_attention"];
  assert.deepEqual(windows({ model_type: "qwen3", use_sliding_window: true, layer_types: kinds }), [6, null]);
  const wrong = { ...LLAMA, model_type: "qwen3", sliding_window: 6, use_sliding_window: true };
  assert.deepEqual(problems({ ...wrong, layer_types: ["chunked_attention"] }), [
    "MAGDI_BAD_FILE",
    "layer_types: expected 2 entries, one a layer, found 1",
    'not supported: layer_types "chunked_attention" (sliding_attention, full_attention are)',
  ]);
  assert.deepEqual(problems({ ...wrong, max_window_layers: "all", layer_types: null }), [
    "MAGDI_BAD_FILE",
    'max_window_layers: expected a whole number from 0, found "all"',
  ]);
});

test("tensors that are missing, unexpected or mis-shaped are one error, with both shapes", () => {
  const config = readConfigJson({ ...LLAMA, num_hidden_layers: 1, tie_word_embeddings: true }, "base");
  const fitting = new Map<string, { shape: number[] }>(
    Object.entries({
      "model.embed_tokens.weight": [160, 64],
      "model.norm.weight": [64],
      "model.layers.0.input_layernorm.weight": [64],
      "model.layers.0.post_attention_layernorm.weight": [64],
      "model.layers.0.self_attn.q_proj.weight": [64, 64],
      "model.layers.0.self_attn.k_proj.weight": [32, 64],
      "model.layers.0.self_attn.v_proj.weight": [32, 64],
      "model.layers.0.self_attn.o_proj.weight": [64, 64],
      "model.layers.0.mlp.gate_proj.weight": [96, 64],
      "model.layers.0.mlp.up_proj.weight": [96, 64],
      "model.layers.0.mlp.down_proj.weight": [64, 96],
      // What some checkpoints carry and nobody needs.
      "model.layers.0.self_attn.rotary_emb.inv_freq": [8],
    }).map(([name, shape]) => [name, { shape }]),
  );
  checkTensors("base", config, fitting);
  const wrong = new Map(fitting);
  wrong.delete("model.norm.weight");
  wrong.delete("model.layers.0.mlp.up_proj.weight");
  wrong.set("model.layers.0.self_attn.q_proj.bias", { shape: [64] });
  wrong.set("model.layers.1.mlp.up_proj.weight", { shape: [96, 64] });
  wrong.set("model.layers.0.self_attn.k_proj.weight", { shape: [64, 32] });
  assert.throws(
    () => checkTensors("base", config, wrong),
    (error) => {
      assert.ok(error instanceof MagdiError && error.code === "MAGDI_BAD_FILE");
      assert.deepEqual(error.message.split("\n"), [
        "base: the tensors do not fit the configuration",
        "  missing (2): model.norm.weight [64], model.layers.0.mlp.up_proj.weight [96, 64]",
        "  unexpected (2): model.layers.0.self_attn.q_proj.bias [64], model.layers.1.mlp.up_proj.weight [96, 64]",
        "  mis-shaped (1): model.layers.0.self_attn.k_proj.weight expected [32, 64], found [64, 32]",
      ]);
      return true;
    },
  );
});

test("each field of a table has one row", () => {
  for (const table of [CONFIG_FIELDS, ROPE_FIELDS, GGUF_FIELDS, TOKENIZER_FIELDS]) {
    const names = table.flatMap(namesOf);
    assert.deepEqual([...new Set(names)], names);
  }
});
