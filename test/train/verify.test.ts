// `magdi train verify` on the fixtures, and on copies of them that were damaged.

import assert from "node:assert/strict";
import { cpSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { openSafetensors, writeSafetensors } from "../../src/tensor/safetensors.ts";
import { type Check, hasPassed, verifyTraining } from "../../src/train/verify.ts";
import { fixture, scratchFolder } from "../support/scratch-folder.ts";

const folder = scratchFolder();

async function checksOf(at: string): Promise<Check[]> {
  const checks: Check[] = [];
  for await (const check of verifyTraining(at, { threads: 1 })) checks.push(check);
  return checks;
}

const failures = (checks: readonly Check[]): string[] =>
  checks.filter((check) => !hasPassed(check)).map(({ quantity }) => quantity);

const ADJACENCIES = ["directed", "undirected", "fully-connected"];
const TERMS = ["nll", "margin", "node", "total"];
const QUANTITIES = [
  "forward logits",
  "adapter logits",
  "adapter logits, merged",
  "merged logits after AdamW",
  ...["live", "frozen"].flatMap((mode) =>
    ADJACENCIES.flatMap((adjacency) => TERMS.map((term) => `loss ${term}, ${adjacency}/${mode}`)),
  ),
  ...["directed.live", "directed.frozen", "undirected.live", "fully-connected.live"].map(
    (name) => `gradients ${name}`,
  ),
  ...["nll", "margin", "node"].map((loss) => `gradients only-${loss}`),
  ...[1, 2, 3].flatMap((step) => [
    ...TERMS.map((term) => `loss ${term}, AdamW step ${step}`),
    `gradient norm, AdamW step ${step}`,
  ]),
  "parameters after AdamW",
];

for (const name of ["tiny-llama", "tiny-qwen2"]) {
  test(`${name}: every quantity is compared with PyTorch's, and is within its tolerance`, async () => {
    const checks = await checksOf(fixture(name));
    assert.deepEqual(
      checks.map(({ quantity }) => quantity),
      QUANTITIES,
    );
    assert.deepEqual(
      checks.filter((check) => !hasPassed(check)),
      [],
    );
  });
}

function copyOf(name: string, as: string): string {
  const at = path.join(folder, as);
  cpSync(fixture(name), at, { recursive: true });
  return at;
}

/** Writes one tensor's values changed. */
function changeTensor(file: string, tensor: string, change: (values: Float32Array) => void): void {
  const opened = openSafetensors(file);
  const tensors = [...opened.entries.values()].map(({ name, type, shape }) => {
    const raw = opened.readRaw(name);
    if (name === tensor) change(new Float32Array(raw.buffer));
    return { name, type, shape, data: raw };
  });
  opened.close();
  rmSync(file);
  writeSafetensors(file, tensors);
}

function changeJson(file: string, change: (json: Record<string, never>) => void): void {
  const json = JSON.parse(readFileSync(file, "utf8"));
  change(json);
  rmSync(file);
  writeFileSync(file, JSON.stringify(json));
}

test("numbers that are off are found, each where it is", async () => {
  const at = copyOf("tiny-llama", "off");
  changeTensor(path.join(at, "forward.safetensors"), "logits", (values) => {
    values[100]! += 2e-4;
  });
  changeTensor(path.join(at, "grads.only-node.safetensors"), "node.weight", (values) => {
    values.forEach((value, index) => {
      values[index] = value * 1.0003;
    });
  });
  changeTensor(path.join(at, "grads.undirected.live.safetensors"), "gcn.1.bias", (values) => {
    values[0] = Number.NaN;
  });
  changeTensor(path.join(at, "params.after3.safetensors"), "score.weight", (values) => {
    values[3]! -= 3e-5;
  });
  changeJson(path.join(at, "expected.json"), (json: Record<string, Record<string, number>>) => {
    json["undirected/frozen"]!.node! += 2e-5;
  });
  const checks = await checksOf(at);
  assert.deepEqual(failures(checks), [
    "forward logits",
    "loss node, undirected/frozen",
    "gradients undirected.live",
    "gradients only-node",
    "parameters after AdamW",
  ]);
  const worst = checks.flatMap((check) => (check.kind === "compared" && !check.passed ? [check.worst] : []));
  assert.deepEqual(worst, [null, null, "gcn.1.bias", "node.weight", "score.weight"]);
});

test("what is missing is not verified, and says why; what is left is", async () => {
  const at = copyOf("tiny-llama", "missing");
  for (const name of ["adapter_forward", "grads.directed.frozen", "params.after3"]) {
    rmSync(path.join(at, `${name}.safetensors`));
  }
  changeJson(path.join(at, "expected.json"), (json) => {
    delete json["fully-connected/live"];
  });
  changeTensor(path.join(at, "grads.only-nll.safetensors"), "none", () => {});
  writeFileSync(path.join(at, "grads.sideways.safetensors"), "");
  const checks = await checksOf(at);
  assert.deepEqual(failures(checks), [
    "adapter logits",
    "adapter logits, merged",
    "merged logits after AdamW",
    ...TERMS.map((term) => `loss ${term}, fully-connected/live`),
    "gradients directed.frozen",
    "gradients sideways",
    "parameters after AdamW",
  ]);
  const reasons = new Map(
    checks.flatMap((check) => (check.kind === "not verified" ? [[check.quantity, check.reason]] : [])),
  );
  assert.match(reasons.get("parameters after AdamW")!, /params\.after3\.safetensors/);
  assert.match(reasons.get("gradients sideways")!, /ADJACENCY\.MODE or only-LOSS/);
  assert.match(reasons.get("loss nll, fully-connected/live")!, /expected fully-connected\/live in it/);
});

test("without heads or graphs nothing of training is verified, and the logits are", async () => {
  for (const name of ["heads.safetensors", "mags.json"]) {
    const at = copyOf("tiny-llama", `without-${name}`);
    rmSync(path.join(at, name));
    const checks = await checksOf(at);
    assert.deepEqual(
      checks.filter(hasPassed).map(({ quantity }) => quantity),
      QUANTITIES.slice(0, 4),
    );
    assert.ok(checks.length > 30);
  }
});
