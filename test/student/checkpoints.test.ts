// What Transformers makes of config.json files and of checkpoints that say things in unusual ways, recorded by
// test/fixtures/checkpoints/make_fixtures.py: read alike, or refused by name.

import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { MagdiError } from "../../src/base/errors.ts";
import { inverseFrequencies } from "../../src/nn/rope.ts";
import { configNotes, readConfigJson } from "../../src/student/config-json.ts";
import { openHuggingFaceBase } from "../../src/student/hugging-face-base.ts";
import { EMBEDDING, HEAD } from "../../src/student/tied-head.ts";
import { openSafetensors, writeSafetensors } from "../../src/tensor/safetensors.ts";
import type { TensorData } from "../../src/tensor/safetensors-writer.ts";
import { openStudentForward } from "../../src/train/step/student-forward.ts";
import { fixture, scratchFolder } from "../support/scratch-folder.ts";
import { importTiny, openRunner, prefilled } from "../support/tiny-students.ts";

const scratch = scratchFolder();

interface Recorded {
  readonly config: Readonly<Record<string, unknown>>;
  /** What Transformers threw; nothing else is recorded then. */
  readonly error?: string;
  readonly headSize: number;
  readonly keyValueHeads: number;
  readonly normEpsilon: number;
  readonly windows: readonly (number | null)[];
  readonly queryKeyValueBias: boolean;
  readonly outputBias: boolean;
  readonly mlpBias: boolean;
  readonly frequencies: readonly number[];
  readonly attentionFactor: number;
}
const cases: Readonly<Record<string, Recorded>> = JSON.parse(
  readFileSync(fixture("checkpoints", "configs.json"), "utf8"),
);

/** Read by Transformers and not by us, with what our error names. */
const REFUSED: Readonly<Record<string, RegExp>> = {
  longrope: /rope_scaling\.rope_type "longrope"/,
  "nested for llama": /rope_parameters by layer type \(llama has no layer types\)/,
  gelu: /hidden_act "gelu"/,
};
/** Not read by Transformers: what our error names, or null where the meaning is plain. */
const BROKEN: Readonly<Record<string, RegExp | null>> = {
  "yarn without a factor": /rope_scaling\.factor: expected a positive number, found nothing/,
  "a type that is no longer known": /rope_scaling\.rope_type "su"/,
  "part of each head": /partial_rotary_factor 0\.5/,
  "nested for qwen2": null,
  "mistral with layer types": null,
  "mistral with other layer types": /layer_types "full_attention" \(Transformers gives every layer/,
  "mistral with null key-value heads": null,
  "nested and different": /rope_parameters by layer type \(they differ/,
  "qwen2 with layer types and no window": /layer_types: expected a sliding window/,
};

function refusal(config: Recorded["config"]): string | null {
  try {
    readConfigJson(config, "config.json");
    return null;
  } catch (error) {
    assert.ok(error instanceof MagdiError, String(error));
    return error.message;
  }
}

for (const [name, recorded] of Object.entries(cases)) {
  test(`config.json, ${name}`, () => {
    const { config, error } = recorded;
    const said = error === undefined ? REFUSED[name] : BROKEN[name];
    if (said instanceof RegExp) return assert.match(refusal(config) ?? "read", said);
    if (error !== undefined) return assert.deepEqual([BROKEN[name], refusal(config)], [null, null], error);
    const read = readConfigJson(config, "config.json");
    const { headSize, keyValueHeads, normEpsilon, windows } = recorded;
    const { queryKeyValueBias, outputBias, mlpBias } = recorded;
    const expected = {
      headSize,
      keyValueHeads,
      normEpsilon,
      windows,
      queryKeyValueBias,
      outputBias,
      mlpBias,
    };
    assert.deepEqual({ ...read, ...expected }, read);
    const scaling = read.ropeScaling;
    const factor = scaling.kind === "yarn" ? scaling.attentionFactor : 1;
    assert.ok(Math.abs(factor - recorded.attentionFactor) < 1e-6, `${factor}`);
    const frequencies = inverseFrequencies(read);
    assert.equal(frequencies.length, recorded.frequencies.length);
    for (const [index, wanted] of recorded.frequencies.entries()) {
      const error = Math.abs(frequencies[index]! / wanted - 1);
      assert.ok(error < 1e-6, `frequency ${index}: ${frequencies[index]}, expected ${wanted}`);
    }
  });
}

test("nested rope parameters that agree count for every layer; those of types without a layer do not", () => {
  const nested = cases["nested for qwen2"]!.config;
  const five = { rope_type: "default", rope_theta: 1000000 };
  const rope = (fields: object) => readConfigJson({ ...nested, ...fields }, "config.json");
  assert.equal(rope({}).ropeTheta, 1000000);
  const unused = { full_attention: five, sliding_attention: { rope_type: "linear", factor: 2 } };
  assert.deepEqual(rope({ rope_parameters: unused }).ropeScaling, { kind: "none" });
  const types = { use_sliding_window: true, sliding_window: 8, max_window_layers: 1 };
  const both = {
    ...types,
    rope_parameters: { full_attention: five, sliding_attention: { rope_theta: 1000000 } },
  };
  assert.equal(rope(both).ropeTheta, 1000000);
  assert.match(refusal({ ...nested, ...types }) ?? "", /none for sliding_attention, which layers have/);
  const beside = { rope_parameters: { full_attention: five, rope_theta: 5 } };
  assert.match(refusal({ ...nested, ...beside }) ?? "", /found rope_theta beside them/);
});

test("what is read otherwise than one may expect, and what is not known, is noted", () => {
  const notes = (fields: object, name = "plain") =>
    configNotes({ ...cases[name]!.config, ...fields }, "config.json");
  assert.deepEqual(notes({}), []);
  assert.deepEqual(notes({ _name_or_path: "x", new_field: null, torch_dtype: "bfloat16" }), []);
  assert.match(
    notes({ logits_scaling: 8, "bad\u001b[0m": 1 }).join(),
    /: logits_scaling, "bad\\u001b\[0m"\.$/,
  );
  assert.match(
    notes({ architectures: ["LlamaBiModel"] }).join(),
    /\["LlamaBiModel"\] is read as LlamaForCausalLM/,
  );
  assert.match(notes({ auto_map: { AutoModel: "x.py" } }).join(), /auto_map names code/);
  assert.match(
    notes({}, "rope_scaling beside rope_parameters").join(),
    /rope_scaling alone is read, as Transformers does, with a rope_theta of 10000/,
  );
  assert.match(notes({}, "dynamic").join(), /dynamic begins to scale beyond/);
  const linear = { rope_scaling: { type: "linear", factor: 2, beta_fast: 3, alpha: 1 } };
  assert.match(notes(linear).join(), /rope_scaling\.alpha.*beta_fast in rope_scaling has no meaning beside/);
});

test("YaRN stretches the context where it names the original one", () => {
  const positions = (rope_scaling: object) =>
    readConfigJson({ ...cases.plain!.config, rope_scaling }, "config.json").positions;
  const yarn = { rope_type: "yarn", factor: 4 };
  assert.equal(positions({ ...yarn, original_max_position_embeddings: 128 }), 512);
  assert.equal(positions({ ...yarn, original_max_position_embeddings: 32 }), 256);
  assert.equal(positions(yarn), 256);
});

const reference = openSafetensors(fixture("checkpoints", "logits.safetensors"));
const ids = new Int32Array(reference.readRaw("ids").buffer);

type Change = (tensors: Map<string, TensorData>, head: Float32Array<ArrayBuffer>) => void;

/** A fixture's base with other fields in its config.json and other tensors. */
function written(name: string, source: string, fields: object, change: Change): string {
  const folder = path.join(scratch, name.replaceAll(" ", "-"));
  const base = fixture(source, "base");
  mkdirSync(folder);
  const config = JSON.parse(readFileSync(path.join(base, "config.json"), "utf8"));
  writeFileSync(path.join(folder, "config.json"), JSON.stringify({ ...config, ...fields }));
  const file = openSafetensors(path.join(base, "model.safetensors"));
  const tensors = new Map<string, TensorData>(
    [...file.entries].map(([key, { shape }]) => [
      key,
      { name: key, type: "F32", shape, data: file.readFloat32(key) },
    ]),
  );
  file.close();
  change(tensors, reference.readFloat32("head"));
  writeSafetensors(path.join(folder, "model.safetensors"), [...tensors.values()]);
  return folder;
}

function floatsOf({ data }: TensorData): Float32Array {
  assert.ok(data instanceof Float32Array);
  return data;
}

const withHead =
  (type: "F32" | "F64", isOwn: boolean): Change =>
  (tensors, head) => {
    const embedding = tensors.get(EMBEDDING)!;
    const values = isOwn ? head : floatsOf(embedding);
    tensors.set(HEAD, {
      ...embedding,
      name: HEAD,
      type,
      data: type === "F64" ? Float64Array.from(values) : values,
    });
  };
const YARN = { rope_type: "yarn", factor: 4, original_max_position_embeddings: 16 };
const unchanged: Change = () => {};
const LOGITS: Readonly<Record<string, readonly [source: string, fields: object, change: Change]>> = {
  "own head": ["tiny-llama", {}, withHead("F32", true)],
  "tied copy": ["tiny-llama", {}, withHead("F32", false)],
  "tied copy in another type": ["tiny-llama", {}, withHead("F64", false)],
  "head alone": [
    "tiny-llama",
    {},
    (tensors, head) => {
      withHead("F32", true)(tensors, head);
      tensors.delete(EMBEDDING);
    },
  ],
  f64: [
    "tiny-qwen2",
    {},
    (tensors) => {
      for (const [name, tensor] of tensors) {
        const data = Float64Array.from(floatsOf(tensor), (value) => value * (1 + 1e-9));
        tensors.set(name, { ...tensor, type: "F64", data });
      }
    },
  ],
  yarn: ["tiny-qwen2", { rope_scaling: YARN, rope_theta: 1000000 }, unchanged],
  "yarn beside rope_parameters": ["tiny-qwen2", { rope_scaling: YARN }, unchanged],
  "yarn of other settings": [
    "tiny-llama",
    { rope_parameters: { ...YARN, beta_fast: 8, beta_slow: 2, truncate: false, rope_theta: 10000 } },
    unchanged,
  ],
  "linear over rope_parameters": [
    "tiny-qwen2",
    { rope_scaling: { type: "linear", factor: 3 }, rope_theta: 50000 },
    unchanged,
  ],
  dynamic: ["tiny-qwen2", { rope_scaling: { type: "dynamic", factor: 3 }, rope_theta: 1000000 }, unchanged],
};

const largest = (found: Float32Array, wanted: Float32Array): number =>
  found.reduce((most, logit, id) => Math.max(most, Math.abs(logit - wanted[id]!)), 0);

for (const [name, [source, fields, change]] of Object.entries(LOGITS)) {
  test(`a checkpoint's logits, ${name}: served and in training`, async () => {
    const wanted = reference.readFloat32(name);
    const folder = written(name, source, fields, change);
    const { fp32 } = await importTiny(folder, `${folder}-student`, ["fp32"]);
    const runner = await openRunner(fp32, { prefillChunkTokens: ids.length });
    assert.ok(largest(await prefilled(runner, ids), wanted) < 1e-4);
    runner.close();
    const base = openHuggingFaceBase(folder);
    const forward = await openStudentForward(base, null, { threads: 1 });
    const logits = await forward.run(BigInt64Array.from(ids, BigInt), 1, ids.length);
    forward.close();
    base.close();
    assert.ok(largest(logits.subarray(-wanted.length), wanted) < 1e-4);
    const { manifest, config } = fp32;
    const isOwn = name === "own head";
    assert.equal(config.tiedHead, source === "tiny-llama" && !isOwn);
    assert.equal(/differs from it; both are kept/.test(String(manifest.notes)), isOwn);
    assert.equal(/as lm_head\.weight alone/.test(String(manifest.notes)), name === "head alone");
  });
}

test("the recorded logits differ from those without what each checkpoint says", () => {
  const plain = reference.readFloat32("llama");
  assert.ok(largest(reference.readFloat32("own head"), plain) > 1e-2);
  assert.ok(largest(reference.readFloat32("tied copy"), plain) < 1e-6);
  const qwen = ["yarn", "yarn beside rope_parameters", "linear over rope_parameters", "dynamic"];
  for (const [at, name] of qwen.entries()) {
    for (const other of qwen.slice(at + 1)) {
      const difference = largest(reference.readFloat32(name), reference.readFloat32(other));
      assert.ok(difference > 1e-2, `${name}, ${other}: ${difference}`);
    }
  }
});

test("weights of whole numbers are refused at once, as what they are", () => {
  const folder = written("whole", "tiny-llama", {}, (tensors) => {
    const name = "model.layers.0.mlp.up_proj.weight";
    const tensor = tensors.get(name)!;
    tensors.set(name, { ...tensor, type: "I8", data: new Int8Array(96 * 64) });
  });
  assert.throws(
    () => openHuggingFaceBase(folder),
    (error) =>
      error instanceof MagdiError &&
      error.code === "MAGDI_UNSUPPORTED" &&
      /"model\.layers\.0\.mlp\.up_proj\.weight" \(I8\): whole numbers, the codes of a quantised/.test(
        error.message,
      ),
  );
});
