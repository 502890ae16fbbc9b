import assert from "node:assert/strict";
import { test } from "node:test";
import { nearestName } from "../../src/base/settings/nearest-name.ts";

const FLAGS = [
  "learning-rate",
  "head-learning-rate",
  "lora-rank",
  "lora-alpha",
  "epochs",
  "max-steps",
  "max-tokens",
];
const OTHERS = [
  "base",
  "batch-size",
  "out",
  "seed",
  "data",
  "warmup-share",
  "init-adapter",
  "device",
  "threads",
];

test("a name that is nearly one is found, and one that is like none is not", () => {
  const cases: [written: string, meant: string | null][] = [
    ["learning_rate", "learning-rate"],
    ["learningRate", "learning-rate"],
    ["learning-rat", "learning-rate"],
    ["laerning-rate", "learning-rate"],
    ["lora_r", "lora-rank"],
    ["lora_alpha", "lora-alpha"],
    ["num-train-epochs", "epochs"],
    ["epoch", "epochs"],
    ["per-device-train-batch-size", "batch-size"],
    ["max-step", "max-steps"],
    ["sede", "seed"],
    ["thread", "threads"],
    ["adapter", "init-adapter"],
    ["gradient-checkpointing", null],
    ["x", null],
    ["fp16", null],
  ];
  for (const [written, meant] of cases)
    assert.equal(nearestName(written, [...FLAGS, ...OTHERS]), meant, written);
});
