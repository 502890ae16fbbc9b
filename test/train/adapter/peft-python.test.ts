// Adapters between us and PEFT in Python, both ways, by the logits that each side computes.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { adapterShapes, LORA_TARGETS, type LoraOptions } from "../../../src/nn/lora.ts";
import type { BaseModel } from "../../../src/student/base-model.ts";
import { openHuggingFaceBase } from "../../../src/student/hugging-face-base.ts";
import { openSafetensors } from "../../../src/tensor/safetensors.ts";
import { mergedBase } from "../../../src/train/adapter/merge.ts";
import { readPeftAdapter, writePeftAdapter } from "../../../src/train/adapter/peft-adapter.ts";
import { openStudentForward } from "../../../src/train/step/student-forward.ts";
import { fixture, scratchFolder } from "../../support/scratch-folder.ts";
import { SeededRandom } from "../../text/seeded-random.ts";

const PYTHON = process.env.PYTHON ?? "python3";
const SCRIPT = fileURLToPath(new URL("../support/peft_logits.py", import.meta.url));
const probe = spawnSync(PYTHON, ["-c", "import peft, torch, transformers"], { encoding: "utf8" });
const NO_PEFT =
  probe.status !== 0 &&
  `no Python with PEFT here: pip install torch transformers peft, and name that Python in PYTHON (${PYTHON} is not it)`;

const ROWS = 2;
const COLUMNS = 13;

const CASES = [
  {
    name: "tiny-llama",
    ours: { rank: 5, alpha: 7, targets: LORA_TARGETS, rankStabilised: true },
    theirs: { r: 4, lora_alpha: 6, target_modules: ["q_proj", "down_proj"], rank_pattern: { down_proj: 2 } },
  },
  {
    name: "tiny-qwen2",
    ours: { rank: 2, alpha: 4, targets: ["k_proj", "o_proj", "gate_proj"], rankStabilised: false },
    theirs: {
      r: 3,
      lora_alpha: 9,
      target_modules: "all-linear",
      use_rslora: true,
      exclude_modules: ["up_proj"],
    },
  },
  {
    name: "training/tiny-qwen3",
    ours: { rank: 1, alpha: 3, targets: ["up_proj", "q_proj"], rankStabilised: false },
    theirs: {
      r: 6,
      lora_alpha: 6,
      target_modules: ["q_proj", "k_proj"],
      alpha_pattern: { k_proj: 1 },
      layers_to_transform: [0, 2],
    },
  },
] as const;

function randomIds(vocabSize: number): BigInt64Array {
  const random = new SeededRandom(31);
  return BigInt64Array.from({ length: ROWS * COLUMNS }, () => BigInt(random.below(vocabSize)));
}

async function logitsOf(
  base: BaseModel,
  lora: LoraOptions | null,
  tensors: ReadonlyMap<string, Float32Array>,
): Promise<Float32Array> {
  const forward = await openStudentForward(base, lora, { threads: 1 });
  try {
    for (const [key, values] of tensors) forward.parameters.get(key)!.set(values);
    return await forward.run(randomIds(base.config.vocabSize), ROWS, COLUMNS);
  } finally {
    forward.close();
  }
}

const furthest = (a: Float32Array, b: Float32Array): number => {
  assert.equal(a.length, b.length);
  return a.reduce((most, value, at) => Math.max(most, Math.abs(value - b[at]!)), 0);
};

describe("PEFT in Python", { skip: NO_PEFT }, () => {
  const folder = NO_PEFT === false ? scratchFolder() : "";
  const place = (name: string, part: string): string => path.join(folder, name.replace("/", "-"), part);
  /** Our logits of the adapters that we wrote, by case. */
  const own = new Map<string, Float32Array>();

  before(async () => {
    const jobs = [];
    for (const { name, ours, theirs } of CASES) {
      const base = openHuggingFaceBase(fixture(name, "base"));
      const { rank, alpha, targets, rankStabilised } = ours;
      const scale = rankStabilised ? alpha / Math.sqrt(rank) : alpha / rank;
      const lora: LoraOptions = { rank, scale, targets: [...targets], dropout: 0 };
      const random = new SeededRandom(17);
      const tensors = new Map(
        [...adapterShapes(base.config, lora)].map(([key, shape]) => {
          const length = shape.reduce((product, size) => product * size, 1);
          return [
            key,
            { shape, data: Float32Array.from({ length }, () => (random.below(401) - 200) / 2000) },
          ];
        }),
      );
      writePeftAdapter(place(name, "ours"), {
        base: fixture(name, "base"),
        rank,
        alpha,
        targets,
        rankStabilised,
        dropout: 0.1,
        tensors,
      });
      const data = new Map([...tensors].map(([key, tensor]) => [key, tensor.data]));
      own.set(name, await logitsOf(base, lora, data));
      const flat = [...randomIds(base.config.vocabSize)].map(Number);
      base.close();
      const ids = Array.from({ length: ROWS }, (_, row) => flat.slice(row * COLUMNS, (row + 1) * COLUMNS));
      jobs.push({
        base: fixture(name, "base"),
        ours: place(name, "ours"),
        theirs: place(name, "theirs"),
        config: theirs,
        ids,
        out: place(name, "logits.safetensors"),
      });
    }
    writeFileSync(path.join(folder, "jobs.json"), JSON.stringify(jobs));
    const { status, stderr } = spawnSync(PYTHON, [SCRIPT, path.join(folder, "jobs.json")], {
      encoding: "utf8",
      env: { ...process.env, HF_HUB_OFFLINE: "1" },
    });
    assert.equal(status, 0, stderr);
  });

  for (const { name } of CASES) {
    test(`${name}: PEFT loads the adapter that we wrote and gives our logits, apart and merged`, () => {
      const file = openSafetensors(place(name, "logits.safetensors"));
      const found = own.get(name)!;
      for (const key of ["ours", "ours_merged"]) {
        const error = furthest(found, file.readFloat32(key));
        assert.ok(error < 1e-4, `${key}: ${error}`);
      }
      assert.ok(furthest(found, file.readFloat32("base")) > 0.01, "the adapter does something");
      file.close();
    });

    test(`${name}: we load the adapter that PEFT wrote and give its logits, merged`, async () => {
      const file = openSafetensors(place(name, "logits.safetensors"));
      const base = openHuggingFaceBase(fixture(name, "base"));
      const { modules } = readPeftAdapter(place(name, "theirs"), base.config);
      const found = await logitsOf(mergedBase(base, modules), null, new Map());
      base.close();
      const error = furthest(found, file.readFloat32("theirs"));
      assert.ok(error < 1e-4, String(error));
      assert.ok(furthest(found, file.readFloat32("base")) > 0.01, "the adapter does something");
      file.close();
    });
  }
});
