// `magdi train verify` on the fixtures, and on copies of them that were damaged.

import assert from "node:assert/strict";
import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { openSafetensors, writeSafetensors } from "../../../src/tensor/safetensors.ts";
import { adapterKey, trainableLora } from "../../../src/train/adapter/peft-adapter.ts";
import { clipGlobalNorm } from "../../../src/train/step/optimiser.ts";
import { openTrainingStep } from "../../../src/train/step/training-step.ts";
import { ReferenceFolder } from "../../../src/train/verify/reference-folder.ts";
import { batchOf, lossesOver } from "../../../src/train/verify/reference-training.ts";
import { type Check, hasFailed, verifyTraining } from "../../../src/train/verify/verify.ts";
import { fixture, scratchFolder } from "../../support/scratch-folder.ts";

const folder = scratchFolder();

async function checksOf(at: string): Promise<Check[]> {
  const checks: Check[] = [];
  for await (const check of verifyTraining(at, { threads: 1 })) checks.push(check);
  return checks;
}

const failures = (checks: readonly Check[]): string[] =>
  checks.filter(hasFailed).map(({ quantity }) => quantity);

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

for (const name of ["tiny-llama", "tiny-qwen2", "training/tiny-mistral", "training/tiny-qwen3"]) {
  test(`${name}: every quantity is compared with PyTorch's, and is within its tolerance`, async () => {
    const checks = await checksOf(fixture(name));
    assert.deepEqual(
      checks.map(({ quantity }) => quantity),
      QUANTITIES,
    );
    assert.ok(checks.every(({ kind }) => kind === "compared"));
    assert.deepEqual(checks.filter(hasFailed), []);
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
    values[3]! -= 3e-4;
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

/** Of all tensors, what the steps of an optimiser written out here make of them. */
async function parametersAfter(at: string, correctsBias: boolean): Promise<Map<string, Float32Array>> {
  const folder = new ReferenceFolder(at);
  const reference = folder.adamw();
  const base = folder.openBase();
  const adapter = folder.adapter(base);
  const { weights, margin } = folder.mags();
  const heads = folder.heads();
  assert.ok(reference !== null);
  const losses = lossesOver(heads, base.config, { weights, margin, features: "live" });
  const step = await openTrainingStep(base, {
    lora: trainableLora(base.config, adapter),
    losses,
    threads: 1,
  });
  base.close();
  try {
    for (const { module, a, b } of adapter.modules) {
      step.parameters.get(adapterKey(module, "A"))?.set(a);
      step.parameters.get(adapterKey(module, "B"))?.set(b);
    }
    for (const [key, { data }] of heads) step.parameters.get(key)?.set(data);
    const [beta1, beta2] = reference.betas;
    const memory = new Map(
      [...step.parameters].map(([key, { length }]) => [key, [0, 1].map(() => new Float32Array(length))]),
    );
    for (let t = 1; t <= reference.steps.length; t++) {
      await step.run(batchOf(folder.mags(), "directed"), "train");
      clipGlobalNorm(step.gradients, reference.clip_norm ?? Number.POSITIVE_INFINITY);
      const [first, second] = correctsBias ? [1 - beta1 ** t, 1 - beta2 ** t] : [1, 1];
      for (const [key, values] of step.parameters) {
        const [mean, square] = memory.get(key)!;
        step.gradients.get(key)!.forEach((g, i) => {
          mean![i] = beta1 * mean![i]! + (1 - beta1) * g;
          square![i] = beta2 * square![i]! + (1 - beta2) * g * g;
          const size = Math.sqrt(square![i]! / second) + reference.eps;
          values[i] =
            values[i]! * (1 - reference.lr * reference.weight_decay) -
            (reference.lr * mean![i]!) / first / size;
        });
      }
    }
    return new Map([...step.parameters].map(([key, values]) => [key, values.slice()]));
  } finally {
    step.close();
  }
}

function writeParameters(at: string, parameters: ReadonlyMap<string, Float32Array>): void {
  const file = path.join(at, "params.after3.safetensors");
  const opened = openSafetensors(file);
  const names = [...opened.entries.keys()];
  opened.close();
  for (const name of names) {
    const own = parameters.get(name.replace(".default.weight", ".weight"));
    if (own !== undefined) changeTensor(file, name, (values) => values.set(own));
  }
}

const AFTER = "parameters after AdamW";

/** A copy of tiny-qwen2, whose score head has two layers, with nothing but the steps of AdamW to compare. */
function adamwAlone(as: string): string {
  const at = copyOf("tiny-qwen2", as);
  for (const name of readdirSync(at)) if (/^grads|forward/.test(name)) rmSync(path.join(at, name));
  changeJson(path.join(at, "expected.json"), (json) => {
    for (const key of Object.keys(json)) if (key !== "adamw") delete json[key];
  });
  return at;
}

test("an optimiser with another epsilon, decay or correction of its bias is found", async () => {
  for (const [label, change] of [
    ["epsilon", ({ eps }) => ({ eps: eps! * 10 })],
    ["smaller-epsilon", ({ eps }) => ({ eps: eps! / 3 })],
    ["no-decay", () => ({ weight_decay: 0 })],
    ["twice-decay", ({ weight_decay: decay }) => ({ weight_decay: 2 * decay! })],
  ] as const satisfies [string, (adamw: Record<string, number>) => Record<string, number>][]) {
    const at = adamwAlone(label);
    changeJson(path.join(at, "expected.json"), (json: Record<string, Record<string, number>>) =>
      Object.assign(json.adamw!, change(json.adamw!)),
    );
    const failed = failures(await checksOf(at));
    assert.ok(failed.includes(AFTER), `${label}: ${failed.join()}`);
  }
  const at = adamwAlone("no-correction");
  writeParameters(at, await parametersAfter(at, false));
  assert.deepEqual(failures(await checksOf(at)), [AFTER]);
});

test("an optimiser written out here is the same, also where rounding moved an element elsewhere", async () => {
  const at = adamwAlone("written-out");
  writeParameters(at, await parametersAfter(at, true));
  assert.deepEqual(failures(await checksOf(at)), []);
  // As much as was seen on another processor, also where a tensor is one element.
  for (const name of ["score.0.weight", "score.2.bias"]) {
    changeTensor(path.join(at, "params.after3.safetensors"), name, (values) => {
      values[values.length - 1]! += 4e-5;
    });
  }
  assert.deepEqual(failures(await checksOf(at)), []);
});

test("one changed value each of a gradient, a loss and a merged logit is found, and nothing else is", async () => {
  const at = copyOf("tiny-qwen2", "one-value");
  const key = "base_model.model.model.layers.2.self_attn.k_proj.lora_A.default.weight";
  changeTensor(path.join(at, "grads.directed.live.safetensors"), key, (values) => {
    const largest = values.reduce(
      (best, value, index) => (Math.abs(value) > Math.abs(values[best]!) ? index : best),
      0,
    );
    values[largest]! *= 1.01;
  });
  changeJson(path.join(at, "expected.json"), (json: Record<string, Record<string, number>>) => {
    json["fully-connected/frozen"]!.margin! -= 3e-5;
  });
  changeTensor(path.join(at, "merged_after3_forward.safetensors"), "logits", (values) => {
    values[values.length - 1]! += 3e-4;
  });
  assert.deepEqual(failures(await checksOf(at)), [
    "merged logits after AdamW",
    "loss margin, fully-connected/frozen",
    "gradients directed.live",
  ]);
});

test("what is not in the folder is said, what is broken fails, and what is left is compared", async () => {
  const at = copyOf("tiny-llama", "missing");
  for (const name of ["adapter_forward", "grads.directed.frozen", "params.after3"]) {
    rmSync(path.join(at, `${name}.safetensors`));
  }
  changeJson(path.join(at, "expected.json"), (json) => {
    delete json["fully-connected/live"];
  });
  changeTensor(path.join(at, "grads.only-nll.safetensors"), "none", () => {});
  writeFileSync(path.join(at, "grads.sideways.safetensors"), "");
  const broken = path.join(at, "grads.only-node.safetensors");
  const content = readFileSync(broken);
  rmSync(broken);
  writeFileSync(broken, content.subarray(0, 2000));
  const checks = await checksOf(at);
  const absent = checks.flatMap((check) => (check.kind === "absent" ? [[check.quantity, check.what]] : []));
  assert.deepEqual(absent, [
    ["adapter logits", "adapter_forward.safetensors"],
    ["adapter logits, merged", "adapter_forward.safetensors"],
    ["merged logits after AdamW", "params.after3.safetensors"],
    ...TERMS.map((term) => [`loss ${term}, fully-connected/live`, "fully-connected/live in expected.json"]),
    ["gradients directed.frozen", "grads.directed.frozen.safetensors"],
    ["parameters after AdamW", "params.after3.safetensors"],
  ]);
  assert.deepEqual(failures(checks), ["gradients only-node", "gradients sideways"]);
  const reasons = checks.flatMap((check) => (check.kind === "not verified" ? [check.reason] : []));
  assert.match(reasons[0]!, /grads\.only-node\.safetensors/);
  assert.match(reasons[1]!, /ADJACENCY\.MODE or only-LOSS/);
  assert.equal(checks.length, QUANTITIES.length + 1);
});

test("a folder in which nothing can be trained is one error that says what it lacks", async () => {
  const without = copyOf("tiny-llama", "without");
  rmSync(path.join(without, "heads.safetensors"));
  rmSync(path.join(without, "adapter"), { recursive: true });
  await assert.rejects(checksOf(without), {
    code: "MAGDI_FILE_MISSING",
    message: `${without}: expected a folder of reference results, found none of adapter/adapter_config.json, adapter/adapter_model.safetensors, heads.safetensors in it`,
  });
  type Mags = { mags: { prompt: number[]; nodes: { label: number }[] }[]; pairs?: unknown };
  const cases: [change: (json: Mags) => void, message: RegExp][] = [
    [({ mags }) => mags[1]!.prompt.push(160), /graph 1: found token 160 of a vocabulary of 160/],
    [({ mags }) => Object.assign(mags[0]!.nodes[3]!, { label: 2 }), /graph 0: found label 2 of 2 classes/],
    [(json) => delete json.pairs, /mags\.json: pairs: /],
  ];
  for (const [index, [change, message]] of cases.entries()) {
    const at = copyOf("tiny-llama", `graphs-${index}`);
    changeJson(path.join(at, "mags.json"), change as never); // the file's own form
    await assert.rejects(checksOf(at), { code: "MAGDI_BAD_FILE", message });
  }
});
