import assert from "node:assert/strict";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { MagdiError } from "../../../src/base/errors.ts";
import type { DecoderConfig } from "../../../src/nn/decoder-config.ts";
import { openHuggingFaceBase } from "../../../src/student/hugging-face-base.ts";
import { openSafetensors, writeSafetensors } from "../../../src/tensor/safetensors.ts";
import {
  type AdapterToWrite,
  adapterKey,
  assertNotNoOp,
  readPeftAdapter,
  writePeftAdapter,
} from "../../../src/train/adapter/peft-adapter.ts";
import { randomTensor, writeRandomAdapter } from "../../support/random-adapter.ts";
import { fixture, scratchFolder } from "../../support/scratch-folder.ts";
import { watchSyncs } from "../../support/watched-syncs.ts";
import { SeededRandom } from "../../text/seeded-random.ts";

const folder = scratchFolder();

function configOf(name: string): DecoderConfig {
  const base = openHuggingFaceBase(fixture(name, "base"));
  base.close();
  return base.config;
}
const LLAMA = configOf("tiny-llama");
const QWEN = configOf("tiny-qwen2");

const refused = (code: string, pattern: RegExp) => (error: unknown) => {
  assert.ok(error instanceof MagdiError, String(error));
  assert.equal(error.code, code, error.message);
  assert.match(error.message, pattern);
  return true;
};

test("an adapter that PEFT wrote is read with its modules, ranks and scales", () => {
  const { modules, config } = readPeftAdapter(fixture("tiny-qwen2", "adapter"), QWEN);
  assert.equal(config.base, "../base");
  assert.equal(modules.length, QWEN.layers * 4);
  const key = modules.find(({ module }) => module === "model.layers.1.self_attn.k_proj");
  assert.deepEqual(
    [key?.rank, key?.alpha, key?.scale, key?.rows, key?.columns, key?.a.length, key?.b.length],
    [3, 6, 2, 16, 48, 3 * 48, 16 * 3],
  );
  const file = openSafetensors(fixture("tiny-qwen2", "adapter", "adapter_model.safetensors"));
  assert.deepEqual(key?.b, file.readFloat32(adapterKey("model.layers.1.self_attn.k_proj", "B")));
  file.close();
});

test("what we write is what PEFT wrote, tensor for tensor, and is read back", () => {
  const from = fixture("tiny-llama", "adapter");
  const read = readPeftAdapter(from, LLAMA);
  const out = path.join(folder, "written");
  const tensors = new Map(
    read.modules.flatMap(({ module, a, b, rank, rows, columns }) => [
      [adapterKey(module, "A"), { shape: [rank, columns], data: a }],
      [adapterKey(module, "B"), { shape: [rows, rank], data: b }],
    ]),
  );
  const adapter: AdapterToWrite = {
    base: "../base",
    rank: 4,
    alpha: 8,
    dropout: 0.05,
    targets: ["q_proj", "v_proj"],
    // A head beside the adapters is none of PEFT's business.
    tensors: new Map([...tensors, ["score.bias", { shape: [1], data: Float32Array.of(1) }]]),
    metadata: { "magdi.level": "4" },
  };
  writePeftAdapter(out, adapter);
  assert.deepEqual(readdirSync(out).sort(), ["adapter_config.json", "adapter_model.safetensors"]);
  const [theirs, ours] = [from, out].map((at) => openSafetensors(path.join(at, "adapter_model.safetensors")));
  assert.deepEqual(new Set(ours!.entries.keys()), new Set(theirs!.entries.keys()));
  for (const name of theirs!.entries.keys()) {
    assert.deepEqual(ours!.entries.get(name)?.shape, theirs!.entries.get(name)?.shape, name);
    assert.deepEqual(ours!.readFloat32(name), theirs!.readFloat32(name), name);
  }
  assert.equal(ours!.metadata.get("format"), "pt");
  theirs!.close();
  ours!.close();
  const theirConfig = JSON.parse(readFileSync(path.join(from, "adapter_config.json"), "utf8"));
  const ourConfig = JSON.parse(readFileSync(path.join(out, "adapter_config.json"), "utf8"));
  assert.deepEqual(
    Object.keys(ourConfig).filter((key) => !(key in theirConfig)),
    [],
  );
  for (const key of ["peft_type", "task_type", "r", "lora_alpha", "target_modules", "bias", "use_dora"]) {
    assert.deepEqual(ourConfig[key], theirConfig[key], key);
  }
  const again = readPeftAdapter(out, LLAMA);
  assert.deepEqual(again.modules, read.modules);
  assert.equal(again.config.dropout, 0.05);
  assert.equal(again.metadata.get("magdi.level"), "4");
});

test("both files are on the disk before the folder has its name", () => {
  const out = path.join(folder, "flushed");
  const synced = new Set<number>();
  const stopWatching = watchSyncs((inode) => {
    if (!existsSync(out)) synced.add(inode);
  });
  const key = adapterKey("model.layers.0.self_attn.q_proj", "A");
  const tensors = new Map([[key, { shape: [1, 2], data: new Float32Array(2) }]]);
  writePeftAdapter(out, { base: "base", rank: 1, alpha: 1, dropout: 0, targets: ["q_proj"], tensors });
  stopWatching();
  for (const name of readdirSync(out)) assert.ok(synced.has(statSync(path.join(out, name)).ino), name);
});

test("one missing, one unexpected and one mis-shaped tensor are one error, with both shapes", () => {
  const at = path.join(folder, "wrong");
  writeRandomAdapter(at, LLAMA, {
    config: { base_model_name_or_path: "someone/other" },
    change: (tensors) => {
      const kept = tensors.filter(({ name }) => name !== adapterKey("model.layers.1.self_attn.q_proj", "B"));
      const misshaped = kept.find(({ name }) => name === adapterKey("model.layers.0.self_attn.v_proj", "A"));
      misshaped!.shape = [8, 32];
      const extra = adapterKey("model.layers.0.self_attn.k_proj", "A");
      return [...kept, randomTensor(extra, [4, 64], new SeededRandom(1))];
    },
  });
  assert.throws(
    () => readPeftAdapter(at, LLAMA),
    (error) => {
      assert.ok(error instanceof MagdiError && error.code === "MAGDI_BAD_FILE");
      assert.deepEqual(error.message.split("\n"), [
        `${path.join(at, "adapter_model.safetensors")}: the adapter's tensors do not fit adapter_config.json and the base (it was made for someone/other)`,
        "  missing (1): base_model.model.model.layers.1.self_attn.q_proj.lora_B.weight [64, 4]",
        "  unexpected (1): base_model.model.model.layers.0.self_attn.k_proj.lora_A.weight [4, 64]",
        "  mis-shaped (1): base_model.model.model.layers.0.self_attn.v_proj.lora_A.weight expected [4, 64], found [8, 32]",
      ]);
      return true;
    },
  );
});

test("an adapter for another base names every tensor", () => {
  assert.throws(
    () => readPeftAdapter(fixture("tiny-qwen2", "adapter"), LLAMA),
    refused("MAGDI_BAD_FILE", /unexpected \(8\): .*layers\.2\..*mis-shaped \(16\): /s),
  );
});

test("patterns of rank and alpha, rank-stabilised scales, chosen layers and excluded modules are PEFT's", () => {
  const at = path.join(folder, "patterns");
  writeRandomAdapter(at, QWEN, {
    rank: 4,
    targets: ["layers.1.self_attn.q_proj", "layers.2.self_attn.q_proj", "layers.2.mlp.up_proj"],
    rankOf: (module) => (module.endsWith("up_proj") ? 2 : module.includes("layers.1.") ? 9 : 4),
    config: {
      target_modules: ["q_proj", "mlp.up_proj", "down_proj"],
      exclude_modules: ["down_proj"],
      layers_to_transform: [1, 2],
      layers_pattern: "layers",
      rank_pattern: { "layers.1.self_attn.q_proj": 9, up_proj$: 7, "mlp.up_proj": 2 },
      alpha_pattern: { "^model.layers.1.self_attn.q_proj": 6 },
      use_rslora: true,
    },
    change: (tensors) => tensors,
  });
  // up_proj$ is the first pattern to match mlp.up_proj: its rank is what the tensors lack.
  assert.throws(
    () => readPeftAdapter(at, QWEN),
    refused("MAGDI_BAD_FILE", /expected \[7, 48\], found \[2, 48\]/),
  );
  const file = path.join(at, "adapter_config.json");
  const config = JSON.parse(readFileSync(file, "utf8"));
  config.rank_pattern = { "layers.1.self_attn.q_proj": 9, "mlp.up_proj": 2 };
  config.layers_to_transform = [2, 1];
  writeFileSync(file, JSON.stringify(config));
  // Layer 1's up_proj is a target too.
  assert.throws(
    () => readPeftAdapter(at, QWEN),
    refused("MAGDI_BAD_FILE", /missing \(2\): [^\n]*layers\.1\.mlp\.up_proj\.lora_A\.weight \[2, 48\]/),
  );
  config.exclude_modules = ".*down_proj|model.layers.1.mlp.*";
  writeFileSync(file, JSON.stringify(config));
  const found = readPeftAdapter(at, QWEN).modules.map(({ module, rank, scale }) => [module, rank, scale]);
  assert.deepEqual(found, [
    ["model.layers.1.self_attn.q_proj", 9, 6 / 3],
    ["model.layers.2.self_attn.q_proj", 4, 8 / 2],
    ["model.layers.2.mlp.up_proj", 2, 8 / Math.sqrt(2)],
  ]);
});

test("a head of its own can have an adapter, a tied one and an embedding not", () => {
  const at = path.join(folder, "head");
  writeRandomAdapter(at, QWEN, { targets: ["lm_head", "q_proj"] });
  assert.equal(readPeftAdapter(at, QWEN).modules.at(-1)?.module, "model.layers.2.self_attn.q_proj");
  assert.ok(
    readPeftAdapter(at, QWEN).modules.some(({ module, rows }) => module === "lm_head" && rows === 144),
  );
  assert.throws(
    () => readPeftAdapter(at, LLAMA),
    refused("MAGDI_UNSUPPORTED", /lm_head: the base's head is its/),
  );
  writeRandomAdapter(at, QWEN, { targets: ["embed_tokens"] });
  assert.throws(
    () => readPeftAdapter(at, QWEN),
    refused("MAGDI_UNSUPPORTED", /embed_tokens: adapters on embed/),
  );
});

test("everything that would change the result and is not implemented is named in one error", () => {
  const at = path.join(folder, "unsupported");
  const config = {
    use_dora: true,
    bias: "lora_only",
    modules_to_save: ["lm_head"],
    init_lora_weights: "pissa",
    trainable_token_indices: [3],
    // Nothing of these.
    layer_replication: null,
    target_parameters: [],
    loftq_config: {},
    // PEFT takes it for false on linear layers.
    fan_in_fan_out: true,
  };
  writeRandomAdapter(at, LLAMA, { config });
  assert.throws(
    () => readPeftAdapter(at, LLAMA),
    (error) => {
      assert.ok(error instanceof MagdiError && error.code === "MAGDI_UNSUPPORTED");
      const named = error.message
        .split("\n")
        .slice(1)
        .map((line) => line.trim().split(":")[0]);
      assert.deepEqual(named.sort(), [
        "bias",
        "init_lora_weights",
        "modules_to_save",
        "trainable_token_indices",
        "use_dora",
      ]);
      return true;
    },
  );
  writeRandomAdapter(at, LLAMA, { config: { peft_type: "IA3" } });
  assert.throws(
    () => readPeftAdapter(at, LLAMA),
    refused("MAGDI_UNSUPPORTED", /expected "LORA", found "IA3"/),
  );
  writeRandomAdapter(at, LLAMA, { config: { r: 0, lora_alpha: "many" } });
  assert.throws(() => readPeftAdapter(at, LLAMA), refused("MAGDI_BAD_FILE", /r: .*; lora_alpha: /));
});

test("an adapter that would do nothing, or harm, is an error", () => {
  const at = path.join(folder, "nothing");
  writeRandomAdapter(at, LLAMA, { config: { target_modules: ["query"] } });
  assert.throws(
    () => readPeftAdapter(at, LLAMA),
    refused("MAGDI_BAD_FILE", /found none of them; the adapter would/),
  );
  const zeroB = (value: number) => ({
    change: (tensors: ReturnType<typeof randomTensor>[]) => {
      for (const { name, data } of tensors) if (name.includes("lora_B")) data.fill(value);
      return tensors;
    },
  });
  writeRandomAdapter(at, LLAMA, zeroB(0));
  assert.throws(() => assertNotNoOp(readPeftAdapter(at, LLAMA)), refused("MAGDI_BAD_FILE", /B·A is zero/));
  assertNotNoOp(readPeftAdapter(fixture("tiny-llama", "adapter"), LLAMA));
  writeRandomAdapter(at, LLAMA, zeroB(Number.NaN));
  assert.throws(
    () => readPeftAdapter(at, LLAMA),
    refused("MAGDI_BAD_FILE", /lora_B.weight: expected finite .* NaN/),
  );
});

test("what is missing from a folder is said, and a pickle is not opened", () => {
  const at = path.join(folder, "incomplete");
  mkdirSync(at);
  assert.throws(
    () => readPeftAdapter(at, LLAMA),
    refused("MAGDI_FILE_MISSING", /expected a PEFT adapter's folder/),
  );
  cpSync(fixture("tiny-llama", "adapter", "adapter_config.json"), path.join(at, "adapter_config.json"));
  assert.throws(
    () => readPeftAdapter(at, LLAMA),
    refused("MAGDI_FILE_MISSING", /adapter_model\.safetensors/),
  );
  writeFileSync(path.join(at, "adapter_model.bin"), "");
  assert.throws(
    () => readPeftAdapter(at, LLAMA),
    refused("MAGDI_UNSUPPORTED", /adapter_model\.bin is a Python/),
  );
  writeSafetensors(path.join(at, "adapter_model.safetensors"), []);
  assert.throws(() => readPeftAdapter(at, LLAMA), refused("MAGDI_BAD_FILE", /missing \(8\)/));
});

test("a failing write leaves the adapter that was there", () => {
  const at = path.join(folder, "kept");
  cpSync(fixture("tiny-llama", "adapter"), at, { recursive: true });
  const before = readPeftAdapter(at, LLAMA).modules;
  const key = adapterKey("model.layers.0.self_attn.q_proj", "A");
  const broken: AdapterToWrite = {
    base: "b",
    rank: 4,
    alpha: 8,
    dropout: 0,
    targets: ["q_proj"],
    tensors: new Map([[key, { shape: [4, 64], data: new Float32Array(3) }]]),
  };
  assert.throws(() => writePeftAdapter(at, broken), refused("MAGDI_BAD_FILE", /expected 1024 bytes/));
  assert.throws(
    () => writePeftAdapter(at, { ...broken, tensors: new Map() }),
    refused("MAGDI_BAD_CONFIG", /no tensor/),
  );
  assert.deepEqual(readPeftAdapter(at, LLAMA).modules, before);
  assert.ok(!existsSync(`${at}.partial`) && !existsSync(`${at}.replaced`));
});
