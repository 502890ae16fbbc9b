import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { MagdiError } from "../../src/base/errors.ts";
import { readConfigJson } from "../../src/student/config-json.ts";
import { openGgufBase } from "../../src/student/gguf-base.ts";
import { fixture, scratchFolder } from "../support/scratch-folder.ts";
import { ARRAY, FLOAT32, STRING, type TinyGgufOptions, tinyGguf, UINT32 } from "../support/tiny-gguf.ts";
import { importTiny, openRunner, prefilled, tinyStudent } from "../support/tiny-students.ts";
import { f32, text, u32, u64 } from "../tensor/support/gguf-bytes.ts";

const folder = scratchFolder();

function write(name: string, source: string, options: TinyGgufOptions = {}): string {
  const config = JSON.parse(readFileSync(fixture(source, "config.json"), "utf8"));
  const file = path.join(folder, `${name}.gguf`);
  writeFileSync(file, tinyGguf(config, fixture(source, "model.safetensors"), options));
  return file;
}

/** What a student imported in float32 computes after every prefix of the reference's first row. */
async function logitsOf(source: string, name: string): Promise<Float32Array[]> {
  const { fp32 } = await importTiny(source, path.join(folder, name), ["fp32"]);
  const runner = await openRunner(fp32);
  const tokens = tinyStudent("tiny-llama3-rope/base").reference.ids[0]!;
  const logits: Float32Array[] = [];
  for (let count = 1; count <= tokens.length; count++) {
    logits.push(await prefilled(runner, tokens.subarray(0, count)));
  }
  runner.close();
  return logits;
}

/** llama.cpp's rope_freqs.weight: what each frequency of a llama3 scaling is divided by. */
function llama3Factors(config: Record<string, number>, headSize: number, theta: number): Float32Array {
  const { factor, low_freq_factor, high_freq_factor, original_max_position_embeddings } = config;
  return Float32Array.from({ length: headSize / 2 }, (_, i) => {
    const wavelength = 2 * Math.PI * theta ** ((2 * i) / headSize);
    const ratio = original_max_position_embeddings! / wavelength;
    if (ratio < low_freq_factor!) return factor!;
    if (ratio > high_freq_factor!) return 1;
    const smooth = (ratio - low_freq_factor!) / (high_freq_factor! - low_freq_factor!);
    return 1 / ((1 - smooth) / factor! + smooth);
  });
}

for (const name of ["tiny-llama3-rope", "tiny-llama3-rope-bands"]) {
  test(`${name} as GGUF with rope_freqs.weight has the logits of its config.json`, async () => {
    const base = `families/${name}/base`;
    const config = JSON.parse(readFileSync(fixture(base, "config.json"), "utf8"));
    const { rope_parameters: rope, head_dim } = config;
    const ropeFactors = llama3Factors(rope, head_dim, rope.rope_theta);
    assert.ok(
      ropeFactors.some((factor) => factor > 1 && factor < 8),
      "a blended frequency",
    );
    const [wanted, found, unscaled] = [
      await logitsOf(fixture(base), name),
      await logitsOf(write(name, base, { ropeFactors }), `${name}-gguf`),
      await logitsOf(write(`${name}-unscaled`, base), `${name}-unscaled`),
    ];
    const differences = (other: Float32Array[]) =>
      wanted.flatMap((logits, at) => [...logits].map((logit, id) => Math.abs(logit - other[at]![id]!)));
    assert.ok(Math.max(...differences(found)) < 1e-5);
    assert.ok(Math.max(...differences(unscaled)) > 1e-2, "the factors matter");
  });
}

const refused =
  (code: string, ...patterns: RegExp[]) =>
  (error: unknown) => {
    assert.ok(error instanceof MagdiError, String(error));
    assert.equal(error.code, code);
    for (const pattern of patterns) assert.match(error.message, pattern);
    return true;
  };

test("a file without a head is tied, and other missing tensors are named together", () => {
  const base = openGgufBase(write("tied", "tiny-llama/base"));
  assert.equal(base.config.tiedHead, true);
  assert.equal(base.textFiles.size, 0);
  base.close();
  assert.throws(
    () =>
      openGgufBase(
        write("incomplete", "tiny-llama/base", {
          without: ["output_norm.weight", "blk.1.ffn_up.weight"],
          ropeFactors: new Float32Array(8).fill(1),
        }),
      ),
    refused(
      "MAGDI_BAD_FILE",
      /missing \(2\)/,
      /model\.norm\.weight \[64\]/,
      /model\.layers\.1\.mlp\.up_proj\.weight \[96, 64\]/,
    ),
  );
});

test("metadata that is missing, wrong or not supported is one error that lists it all", () => {
  const metadata = [
    ["llama.rope.scaling.type", STRING, text("longrope")] as const,
    ["llama.rope.dimension_count", UINT32, u32(8)] as const,
    ["llama.context_length", FLOAT32, f32(0)] as const,
  ];
  assert.throws(
    () => openGgufBase(write("longrope", "tiny-llama/base", { metadata })),
    refused(
      "MAGDI_BAD_FILE",
      /max_position_embeddings: expected a positive number, found 0/,
      /not supported: rope_parameters\.rope_type "longrope"/,
      /not supported: rope_parameters\.partial_rotary_factor 0\.5/,
    ),
  );
  const other = [["general.architecture", STRING, text("gemma3")] as const];
  assert.throws(
    () => openGgufBase(write("gemma", "tiny-llama/base", { metadata: other })),
    refused("MAGDI_UNSUPPORTED", /architecture gemma3 is not supported; llama, qwen2, qwen3 are/),
  );
  const factors = { ropeFactors: new Float32Array(5).fill(2) };
  assert.throws(
    () => openGgufBase(write("factors", "tiny-llama/base", factors)),
    refused("MAGDI_BAD_FILE", /rope factors: expected 8 positive numbers, found 5/),
  );
});

test("a linear scaling is read as llama.cpp reads it: with or without its type, under its older name too", () => {
  const type = (value: string) => ["llama.rope.scaling.type", STRING, text(value)] as const;
  const factor = (value: number) => ["llama.rope.scaling.factor", FLOAT32, f32(value)] as const;
  const older = (value: number) => ["llama.rope.scale_linear", FLOAT32, f32(value)] as const;
  const linear = { kind: "linear", factor: 4 };
  const none = { kind: "none" };
  for (const [metadata, expected] of [
    [[type("linear"), factor(4)], linear],
    [[factor(4)], linear],
    [[older(4)], linear],
    [[factor(4), older(2)], linear],
    [[type("linear"), older(4)], linear],
    [[type("linear")], none],
    [[type("none"), factor(4)], none],
    [[factor(1)], none],
    [[factor(0)], none],
    [[], none],
  ] as const) {
    const base = openGgufBase(write("linear", "tiny-llama/base", { metadata }));
    assert.deepEqual(base.config.ropeScaling, expected, metadata.map(([key]) => key).join());
    base.close();
  }
  const ropeFactors = new Float32Array(8).fill(2);
  const both = openGgufBase(write("both", "tiny-llama/base", { metadata: [factor(4)], ropeFactors }));
  assert.deepEqual(both.config.ropeScaling, { kind: "factors", factors: new Array(8).fill(8) });
  both.close();
});

test("YaRN is read as llama.cpp reads it, and is what Transformers makes of the same numbers", () => {
  const number = (key: string, value: number) => [`llama.rope.scaling.${key}`, FLOAT32, f32(value)] as const;
  const yarn = [["llama.rope.scaling.type", STRING, text("yarn")] as const, number("factor", 4)];
  const original = ["llama.rope.scaling.original_context_length", UINT32, u32(128)] as const;
  const configOf = (metadata: TinyGgufOptions["metadata"]) => {
    const base = openGgufBase(write("yarn", "tiny-llama/base", { metadata: metadata! }));
    base.close();
    return base;
  };
  const json = JSON.parse(readFileSync(fixture("tiny-llama/base/config.json"), "utf8"));
  const transformers = (rope_scaling: object) => readConfigJson({ ...json, rope_scaling }, "config.json");
  const scaling = { rope_type: "yarn", factor: 4 };
  const { config, notes } = configOf([...yarn, original]);
  const same = transformers({ ...scaling, original_max_position_embeddings: 128 });
  assert.deepEqual([config.ropeScaling, config.positions], [same.ropeScaling, 512]);
  assert.match(String(notes), /YaRN stretches the context of 128 tokens to 512/);
  assert.deepEqual(configOf(yarn).config.ropeScaling, transformers(scaling).ropeScaling);
  const [betas] = [[number("yarn_beta_fast", 8), number("yarn_beta_slow", 2)]];
  assert.deepEqual(
    configOf([...yarn, ...betas]).config.ropeScaling,
    transformers({ ...scaling, beta_fast: 8, beta_slow: 2 }).ropeScaling,
  );
  const scaled = configOf([...yarn, number("attn_factor", 0.5)]).config.ropeScaling;
  assert.ok(
    scaled.kind === "yarn" && Math.abs(scaled.attentionFactor - 0.5 * (1 + 0.1 * Math.log(4))) < 1e-9,
  );
  const ropeFactors = new Float32Array(8).fill(2);
  assert.throws(
    () => openGgufBase(write("yarn-factors", "tiny-llama/base", { metadata: yarn, ropeFactors })),
    refused("MAGDI_UNSUPPORTED", /rope_type "yarn beside rope_freqs\.weight"/),
  );
});

test("metadata that would change what is computed is refused, all of it by name", () => {
  const metadata = [
    ["llama.attention.value_length", UINT32, u32(16)] as const,
    ["llama.expert_count", UINT32, u32(8)] as const,
    ["llama.final_logit_softcapping", FLOAT32, f32(30)] as const,
    ["llama.attn_logit_softcapping", FLOAT32, f32(0)] as const,
    ["llama.rope.scaling.yarn_log_multiplier", FLOAT32, f32(1)] as const,
  ];
  assert.throws(
    () => openGgufBase(write("refused", "tiny-llama/base", { metadata })),
    (error) =>
      error instanceof MagdiError &&
      error.code === "MAGDI_UNSUPPORTED" &&
      /not supported: llama\.expert_count 8 \(.*; llama\.final_logit_softcapping 30 \(.*; llama\.rope\.scaling\.yarn_log_multiplier 1 \(/.test(
        error.message,
      ) &&
      !error.message.includes("attn_logit"),
  );
  const values = [["llama.attention.value_length", UINT32, u32(8)] as const];
  assert.throws(
    () => openGgufBase(write("values", "tiny-llama/base", { metadata: values })),
    refused("MAGDI_UNSUPPORTED", /attention\.value_length: expected 16, as the keys have, found 8/),
  );
});

test("metadata of another type is named with what was found", () => {
  const list = Buffer.concat([u32(UINT32), u64(2), u32(2), u32(2)]);
  for (const [key, type, value, pattern] of [
    ["llama.attention.head_count_kv", ARRAY, list, /expected a number.*found an array of 2/],
    [
      "llama.attention.layer_norm_rms_epsilon",
      STRING,
      text("1e-5"),
      /expected a number.*found the string "1e-5"/,
    ],
    ["llama.rope.scaling.type", UINT32, u32(1), /expected a string, found the number "1"/],
    [
      "llama.attention.layer_norm_rms_epsilon",
      FLOAT32,
      f32(Number.NaN),
      /rms_norm_eps: expected a positive number, found NaN/,
    ],
  ] as const) {
    assert.throws(
      () => openGgufBase(write("type", "tiny-llama/base", { metadata: [[key, type, value]] })),
      refused("MAGDI_BAD_FILE", pattern, type === FLOAT32 ? /./ : new RegExp(key)),
    );
  }
});

test("a llama file with a window is Mistral's", () => {
  const metadata = [["llama.attention.sliding_window", UINT32, u32(6)] as const];
  const base = openGgufBase(write("window", "tiny-llama/base", { metadata }));
  assert.equal(base.configJson.model_type, "mistral");
  assert.deepEqual(base.config.windows, [6, 6]);
  base.close();
});
