// Whole runs of a tiny student with the real training step: interrupted, resumed, cut into batches, exported.

import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { MagdiError } from "../../../src/base/errors.ts";
import { interruptedText } from "../../../src/cli/train-messages.ts";
import { POOLED_CENTRE } from "../../../src/nn/training-graph.ts";
import { openBase } from "../../../src/student/open-base.ts";
import { openSafetensors } from "../../../src/tensor/safetensors.ts";
import { readHeads } from "../../../src/train/adapter/heads-file.ts";
import { readPeftAdapter } from "../../../src/train/adapter/peft-adapter.ts";
import { studentText } from "../../../src/train/run/open-base-tokenizer.ts";
import { readRunData } from "../../../src/train/run/run-data.ts";
import { type RunLogLine, readRunLog } from "../../../src/train/run/run-log.ts";
import { createRun, runSettings, runTraining } from "../../../src/train/run/training-run.ts";
import {
  resolveSettings,
  settledSettings,
  type TrainingSettings,
} from "../../../src/train/run/training-settings.ts";
import { GradientSum, runBatches } from "../../../src/train/step/gradient-accumulation.ts";
import { initialiseParameters } from "../../../src/train/step/initial-parameters.ts";
import { globalNorm } from "../../../src/train/step/optimiser.ts";
import { openTrainingStep } from "../../../src/train/step/training-step.ts";
import { writeRandomAdapter } from "../../support/random-adapter.ts";
import { type RandomBaseOptions, writeRandomBase } from "../../support/random-base.ts";
import { scratchFolder } from "../../support/scratch-folder.ts";
import { writeSums } from "../support/sums.ts";

const scratch = scratchFolder();
const base = path.join(scratch, "base");
const data = path.join(scratch, "sums.jsonl");
writeRandomBase(base, { tokenizer: true });
writeSums(data, 24);
let runs = 0;

function settingsOf(values: Partial<TrainingSettings> = {}): TrainingSettings {
  const common = { base, data: [data], threads: 1, batchSize: 6, epochs: 2, learningRate: 1e-3 };
  return resolveSettings([{ nameOf: (key) => key, values: { ...common, ...values } }]);
}

interface Course {
  readonly folder?: string;
  /** Stop after this optimiser step. */
  readonly stopAfter?: number;
  /** Stop when this is first reported of the export. */
  readonly stopAtStage?: string;
  readonly settings?: Partial<TrainingSettings>;
  /** Settings of a run that is resumed for longer. */
  readonly resumed?: TrainingSettings;
}

/** Resumed for longer, as the command does it. */
const lengthened = (folder: string, more: Partial<TrainingSettings>) =>
  run({ folder, resumed: { ...runSettings(folder), ...more } });

async function run({
  folder = path.join(scratch, `run-${runs++}`),
  stopAfter,
  stopAtStage,
  settings,
  resumed,
}: Course = {}) {
  const notes: string[] = [];
  const abort = new AbortController();
  if (!existsSync(folder)) createRun(folder, settingsOf(settings));
  const result = await runTraining({
    settings: resumed ?? runSettings(folder),
    lengthened: resumed !== undefined,
    folder,
    signal: abort.signal,
    onNote: (note) => notes.push(note),
    onStage: (stage) => {
      if (stage === stopAtStage) abort.abort();
    },
    onData: () => {},
    onProgress: ({ step }) => {
      if (step === stopAfter) abort.abort();
    },
    onValidation: () => {},
  });
  const metrics = path.join(folder, "metrics.jsonl");
  return { folder, ...result, notes, log: existsSync(metrics) ? readRunLog(metrics) : [] };
}

/** Without what depends on the clock. */
const timeless = (log: readonly RunLogLine[]) =>
  log.map((line) => {
    if (line.kind !== "step" && line.kind !== "end") return line;
    return { ...line, seconds: 0, tokensPerSecond: 0 };
  });

const bytesOf = (folder: string, file: string) => readFileSync(path.join(folder, file)).toString("base64");

test("a student's run that is stopped and resumed has the bits of one that was not, its exported weights too", async () => {
  const whole = await run();
  const first = await run({ stopAfter: 3 });
  assert.equal(first.outcome?.reason, "interrupted");
  assert.equal(first.student, null);
  assert.ok(!existsSync(path.join(first.folder, "student")));
  const rest = await run({ folder: first.folder });
  assert.equal(rest.outcome?.reason, "done");
  assert.deepEqual(timeless(rest.log), timeless(whole.log));
  for (const file of [
    "checkpoint/adapter_model.safetensors",
    "checkpoint/heads.safetensors",
    "checkpoint/optimiser.safetensors",
    "best/adapter_model.safetensors",
    "student/onnx/model_quantized.onnx_data",
  ]) {
    assert.ok(bytesOf(rest.folder, file) === bytesOf(whole.folder, file), file);
  }
  // The tokenizer lies beside the best adapter, as others save theirs, and not in every checkpoint.
  for (const file of ["tokenizer.json", "tokenizer_config.json"]) {
    assert.equal(bytesOf(whole.folder, `best/${file}`), bytesOf(whole.folder, `student/${file}`));
    assert.ok(!existsSync(path.join(whole.folder, "checkpoint", file)));
  }
});

test("a run that is stopped before its first step, while it measures the centre, has the same bits too", async () => {
  const settings = { maxSteps: 2, export: false };
  const whole = await run({ settings });
  const first = await run({ stopAtStage: "measuring the centre of the pooled vectors", settings });
  assert.deepEqual(first.outcome, { reason: "interrupted", step: 0, totalSteps: 2, best: null });
  assert.ok(!existsSync(path.join(first.folder, "checkpoint")), "nothing is kept of half a centre");
  const rest = await run({ folder: first.folder });
  assert.deepEqual(timeless(rest.log), timeless(whole.log));
  const heads = "checkpoint/heads.safetensors";
  assert.equal(bytesOf(rest.folder, heads), bytesOf(whole.folder, heads));
});

test("an interrupt while the student is written leaves none of it, and a resumed run writes it", async () => {
  for (const stopAtStage of ["writing q8", "hashing"]) {
    const first = await run({ stopAtStage, settings: { epochs: 1 } });
    assert.deepEqual([first.interrupted, first.outcome?.reason, first.student], ["export", "done", null]);
    assert.deepEqual(readdirSync(first.folder).sort(), [
      "best",
      "checkpoint",
      "metrics.jsonl",
      "settings.json",
    ]);
    const rest = await run({ folder: first.folder });
    assert.equal(rest.interrupted, null);
    assert.deepEqual(timeless(rest.log), timeless(first.log), "nothing is trained again");
    assert.equal(rest.student?.name, path.basename(first.folder));
    const whole = interruptedText("export", first.outcome, first.folder);
    assert.match(
      whole,
      /^stopped after step 4 of 4, training done, before the student was written; go on with: npx /,
    );
  }
});

test("a student that cannot be written is one error that names its place, and a resumed run writes it", async () => {
  const folder = path.join(scratch, "full");
  const moved = path.join(scratch, "moved");
  createRun(folder, settingsOf({ epochs: 1 }));
  const training = runTraining({
    settings: runSettings(folder),
    folder,
    signal: new AbortController().signal,
    onStage: (stage) => {
      if (stage !== "writing q8" || existsSync(moved)) return;
      renameSync(folder, moved);
      writeFileSync(folder, "in the way");
    },
    onData: () => {},
    onProgress: () => {},
    onValidation: () => {},
  });
  await assert.rejects(training, (error: unknown) => {
    assert.ok(error instanceof MagdiError && error.code === "MAGDI_NOT_WRITTEN", String(error));
    assert.match(
      error.message,
      /full.student: cannot be written \(ENOTDIR.*free some space or fix the permissions, then run it again$/,
    );
    return true;
  });
  const { student } = await run({ folder: moved });
  assert.equal(student?.name, "moved");
});

test("losses fall, and the folder says with what settings", async () => {
  const { folder, log } = await run({ settings: { epochs: 6, patience: 0 } });
  const validations = log.filter((line) => line.kind === "validation");
  assert.ok(validations.at(-1)!.loss < validations[0]!.loss);
  const written = JSON.parse(readFileSync(path.join(folder, "settings.json"), "utf8"));
  // What was left open is settled by the base.
  assert.equal(written.settings.maxTokens, 256);
  assert.equal(written.settings.scoreWidth, 64);
  assert.equal(written.settings.recipe, "magdi");
  assert.deepEqual(readdirSync(folder).sort(), [
    "best",
    "checkpoint",
    "metrics.jsonl",
    "settings.json",
    "student",
  ]);
});

test("the centre is the mean of what heads would see, and no optimiser step moves it", async () => {
  const settings = { maxSteps: 3, export: false, weightDecay: 0.1, validationShare: 0 };
  const { folder } = await run({ settings });
  const heads = readHeads(path.join(folder, "checkpoint/heads.safetensors"));
  const opened = openBase(base);
  const settled = settledSettings(settingsOf(settings), opened);
  const { training } = await readRunData(settled, await studentText(opened));
  const step = await openTrainingStep(opened, {
    lora: { rank: 4, scale: 2, targets: ["q_proj"], dropout: 0 },
    losses: { nll: null, margin: { weight: 1, margin: 1, head: { kind: "linear" } }, node: null },
    sharedPrompts: true,
    threads: 1,
    scratchFolder: scratch,
  });
  opened.close();
  try {
    // B is zero: the adapted student is its base, as it was when the centre was measured.
    const rows: number[][] = [];
    for (const item of training.data.items.keys()) {
      const { pooled } = await step.run(training.data.batch([item], 0), "validate", { pooled: true });
      const values = [...pooled!];
      for (let at = 0; at < values.length; at += 64) rows.push(values.slice(at, at + 64));
    }
    const mean = Array.from(
      { length: 64 },
      (_, c) => rows.reduce((sum, row) => sum + row[c]!, 0) / rows.length,
    );
    const centre = heads.get(POOLED_CENTRE)!;
    assert.deepEqual(centre.shape, [64]);
    for (const [c, value] of centre.data.entries()) assert.ok(Math.abs(value - mean[c]!) < 1e-5, `${c}`);
    assert.ok(Math.hypot(...mean) > 0.1, "there is something in common");
  } finally {
    step.close();
  }
});

test("a linear score head on centred vectors is one with a shifted bias", async () => {
  const opened = openBase(base);
  const settled = settledSettings(settingsOf({ validationShare: 0 }), opened);
  const { training } = await readRunData(settled, await studentText(opened));
  const batch = training.data.batch([0, 1, 2, 3], 0);
  const lossOf = async (centred: boolean): Promise<[number, number]> => {
    const step = await openTrainingStep(opened, {
      lora: { rank: 4, scale: 2, targets: ["q_proj"], dropout: 0 },
      losses: {
        nll: null,
        margin: { weight: 1, margin: 1, head: { kind: "linear" } },
        node: null,
        centred,
      },
      sharedPrompts: true,
      threads: 1,
      scratchFolder: scratch,
    });
    try {
      initialiseParameters(step.parameters, step.shapes, 1);
      const centre = Float32Array.from({ length: 64 }, (_, c) => Math.sin(c));
      const shift = step.parameters.get("score.weight")!.reduce((sum, w, c) => sum + w * centre[c]!, 0);
      step.parameters.get(POOLED_CENTRE)?.set(centre);
      if (!centred) step.parameters.get("score.bias")![0]! -= shift;
      assert.equal(step.parameters.has(POOLED_CENTRE), centred);
      const { margin } = await step.run(batch, "train");
      return [margin, globalNorm(new Map([["bias", step.gradients.get("score.bias")!]]))];
    } finally {
      step.close();
    }
  };
  const [[centredLoss, centredGradient], [loss, gradient]] = [await lossOf(true), await lossOf(false)];
  opened.close();
  assert.ok(loss > 0 && Math.abs(centredLoss - loss) < 1e-5, `${centredLoss}, ${loss}`);
  assert.ok(gradient > 0 && Math.abs(centredGradient - gradient) < 1e-5, `${centredGradient}, ${gradient}`);
});

for (const sharedPrompts of [true, false]) {
  const layout = sharedPrompts ? "prompts shared" : "a sequence for each node";
  test(`two batches of 8 graphs have the losses and gradients of one of 16, ${layout}`, async () => {
    const opened = openBase(base);
    const settings = settledSettings(settingsOf({ validationShare: 0, mags: 16, sharedPrompts }), opened);
    const { training } = await readRunData(settings, await studentText(opened));
    assert.equal(training.data.items.length, 16);
    const step = await openTrainingStep(opened, {
      lora: { rank: 4, scale: 2, targets: ["q_proj", "down_proj"], dropout: 0 },
      losses: {
        nll: { weight: 1 },
        margin: { weight: 0.1, margin: 1, head: { kind: "linear" } },
        node: { weight: 1, features: "live", classifier: { kind: "gcn", width: 16, classes: 2 } },
      },
      sharedPrompts,
      threads: 1,
      scratchFolder: scratch,
    });
    opened.close();
    try {
      initialiseParameters(step.parameters, step.shapes, 1);
      // B begins as zero: A would have no gradient.
      for (const [key, values] of step.parameters) {
        if (key.endsWith("lora_B.weight")) values.set(values.map((_, index) => Math.sin(index) / 10));
      }
      const accumulated = async (maxRows: number) => {
        const gradients = new GradientSum(step.gradients);
        let batches = 0;
        const losses = await runBatches({
          step,
          data: training.data,
          items: training.data.items.map((_, index) => index),
          mode: "train",
          limits: { maxRows, maxTokens: 1_000_000 },
          place: "here",
          batchSeed: 0,
          dropoutSeed: 0,
          signal: new AbortController().signal,
          onBatch: (names, last) => {
            batches += 1;
            gradients.add(last, "here", names);
          },
        });
        return { losses, gradients: gradients.sum, batches };
      };
      const rows = training.data.items.reduce((sum, item) => sum + item.rows, 0);
      const one = await accumulated(rows);
      const two = await accumulated(Math.ceil(rows / 2));
      assert.equal(one.batches, 1);
      assert.ok(two.batches >= 2);
      for (const name of ["total", "nll", "margin", "node"] as const) {
        const [a, b] = [one.losses![name], two.losses![name]];
        assert.ok(Math.abs(a - b) < 1e-6 * Math.abs(a), `${name}: ${a}, ${b}`);
      }
      const norm = globalNorm(one.gradients);
      for (const [key, values] of one.gradients) {
        const other = two.gradients.get(key)!;
        const apart = Math.hypot(...values.map((value, index) => value - other[index]!));
        assert.ok(apart <= 1e-6 * norm, `${key}: ${apart} of ${norm}`);
      }
    } finally {
      step.close();
    }
  });
}

test("a broken record names its line, and the checkpoint that was there survives", async () => {
  const own = path.join(scratch, "own.jsonl");
  writeSums(own, 12);
  const { folder } = await run({ stopAfter: 1, settings: { data: [own] } });
  const before = bytesOf(folder, "checkpoint/state.json");
  const lines = readFileSync(own, "utf8").split("\n");
  writeFileSync(own, [...lines.slice(0, 4), '{"id": 5', ...lines.slice(5)].join("\n"));
  await assert.rejects(run({ folder }), (error: unknown) => {
    assert.ok(error instanceof MagdiError);
    assert.equal(error.code, "MAGDI_BAD_FILE");
    assert.match(error.message, /own\.jsonl:5: expected a JSON record/);
    return true;
  });
  assert.equal(bytesOf(folder, "checkpoint/state.json"), before);
});

test("a recipe that trains nothing exports the base", async () => {
  const folder = path.join(scratch, "as-it-is");
  createRun(folder, settingsOf({ recipe: "base" }));
  const { outcome, student } = await runTraining({
    settings: runSettings(folder),
    folder,
    signal: new AbortController().signal,
    onStage: () => {},
    onData: () => {},
    onProgress: () => {},
    onValidation: () => {},
  });
  assert.equal(outcome, null);
  assert.deepEqual(Object.keys(student?.dtypes ?? {}), ["q8"]);
});

/** The base with one weight's values, or a field of its configuration, changed. */
function changedBase(name: string, options: RandomBaseOptions): string {
  const folder = path.join(scratch, name);
  writeRandomBase(folder, { tokenizer: true, ...options });
  return folder;
}

test("a run whose base has changed meanwhile is refused, and goes on when it is put back", async () => {
  const own = changedBase("own-base", {});
  const { folder } = await run({ stopAfter: 1, settings: { base: own, export: false, maxSteps: 2 } });
  const changes: RandomBaseOptions[] = [
    {
      change: (name, values) => {
        if (name === "model.layers.0.mlp.up_proj.weight") values[7]! += 1e-4;
      },
    },
    { config: { rms_norm_eps: 1e-5 } },
    { config: { rope_theta: 20_000 } },
  ];
  for (const change of changes) {
    changedBase("own-base", change);
    await assert.rejects(run({ folder }), {
      code: "MAGDI_BAD_FILE",
      message:
        /checkpoint: was made with other weights or another configuration of the base than there are now/,
    });
  }
  changedBase("own-base", {});
  assert.equal((await run({ folder })).outcome?.reason, "done");
});

test("a run that has ended, or was stopped, goes on for more steps", async () => {
  const length = { schedule: "constant", warmupShare: 0, validationShare: 0, mags: 12 } as const;
  const settings = { ...length, export: false };
  const whole = await run({ settings: { ...settings, epochs: 3 } });
  for (const stopAfter of [2, 1]) {
    const first = await run({ settings: { ...settings, epochs: 1 }, stopAfter });
    const { folder } = first;
    await assert.rejects(lengthened(folder, { maxSteps: 1 }), {
      code: "MAGDI_BAD_CONFIG",
      message: new RegExp(
        `expected more than the ${stopAfter} steps that the run has done, found 1 epochs and`,
      ),
    });
    assert.equal(runSettings(folder).maxSteps, null, "nothing is changed by what is refused");
    const rest = await lengthened(folder, { epochs: 3 });
    assert.equal(rest.outcome?.step, 6);
    assert.deepEqual(timeless(rest.log), timeless(whole.log));
    const file = "checkpoint/adapter_model.safetensors";
    assert.ok(bytesOf(folder, file) === bytesOf(whole.folder, file));
  }
});

test("a run that stopped early needs more patience to go on", async () => {
  const settings = { export: false, learningRate: 0, patience: 1, epochs: 8 };
  const { folder, outcome } = await run({ settings });
  assert.equal(outcome?.reason, "early-stop");
  await assert.rejects(lengthened(folder, { epochs: 9 }), {
    code: "MAGDI_BAD_CONFIG",
    message: /^--patience: the run stopped after 1 validations without improvement/,
  });
  const rest = await lengthened(folder, { patience: 3 });
  assert.ok(rest.outcome!.step > outcome.step);
});

test("an adapter is trained on: its values, modules and heads are where the run begins", async () => {
  const first = await run({
    settings: { epochs: 1, export: false, loraRank: 3, loraTargets: ["k_proj", "up_proj"] },
  });
  const best = path.join(first.folder, "best");
  const values = { initAdapter: best, base: null, learningRate: 0, epochs: 1 };
  const { folder, notes, log } = await run({ settings: values });
  assert.deepEqual(notes, [
    `training on from the adapter ${best}: 2 modules, rank 3, alpha 32`,
    "heads: those beside the adapter, with the centre that they know",
  ]);
  for (const file of ["adapter_model.safetensors", "heads.safetensors"]) {
    const [before, after] = [best, path.join(folder, "best")].map((at) =>
      openSafetensors(path.join(at, file)),
    );
    assert.deepEqual([...after!.entries.keys()], [...before!.entries.keys()]);
    for (const key of before!.entries.keys())
      assert.deepEqual(after!.readFloat32(key), before!.readFloat32(key), key);
    before!.close();
    after!.close();
  }
  // Validation is on other questions in both, drawn by one seed.
  const validations = [first.log, log].map((lines) => lines.findLast(({ kind }) => kind === "validation"));
  assert.deepEqual({ ...validations[1], step: 0, epoch: 0 }, { ...validations[0], step: 0, epoch: 0 });
  const { loraRank, loraTargets, base: found } = runSettings(folder);
  assert.deepEqual([loraRank, loraTargets, found], [3, ["k_proj", "up_proj"], base]);
  const config = JSON.parse(readFileSync(path.join(folder, "best", "adapter_config.json"), "utf8"));
  assert.deepEqual([config.r, config.lora_alpha, config.target_modules], [3, 32, ["k_proj", "up_proj"]]);
  // Another adapter under the same name is not the one that the run was begun with.
  const tensors = path.join(best, "adapter_model.safetensors");
  const bytes = readFileSync(tensors);
  bytes[bytes.length - 2]! ^= 1;
  rmSync(tensors);
  writeFileSync(tensors, bytes);
  await assert.rejects(run({ folder }), {
    message: /was made with other weights of the adapter that it trains on/,
  });
});

test("an adapter's patterns of rank and alpha, its scale and its texts stay through training", async () => {
  const adapter = path.join(scratch, "patterned");
  const decoder = writeRandomBase(path.join(scratch, "patterned-base"), {
    tokenizer: true,
    config: { num_hidden_layers: 2 },
  });
  const rankOf = (module: string): number => (module.includes("layers.1.") ? 2 : 4);
  writeRandomAdapter(adapter, decoder, {
    rankOf,
    config: {
      base_model_name_or_path: "someone/other",
      rank_pattern: { "layers.1.self_attn.(q|v)_proj": 2 },
      alpha_pattern: { "0.self_attn.q_proj": 6 },
      use_rslora: true,
    },
  });
  writeFileSync(
    path.join(adapter, "chat_template.jinja"),
    "{% for m in messages %}[{{ m.content }}]{% endfor %}",
  );
  const settings = { initAdapter: adapter, base: path.join(scratch, "patterned-base"), maxSteps: 1 };
  const { folder, notes, student } = await run({ settings });
  assert.match(notes.join("\n"), /made for "someone\/other".*\n.*own chat template took the base's place/);
  const before = readPeftAdapter(adapter, decoder).modules;
  const after = readPeftAdapter(path.join(folder, "best"), decoder).modules;
  const shapes = (modules: typeof before) =>
    modules.map(({ module, rank, alpha, scale }) => [module, rank, alpha, scale]);
  assert.deepEqual(shapes(after), shapes(before));
  assert.notDeepEqual(after[0]!.b, before[0]!.b);
  assert.match(student?.notes?.join() ?? "", /own chat template/);
  assert.match(readFileSync(path.join(folder, "student", "chat_template.jinja"), "utf8"), /\[\{\{/);
  assert.match(student?.training?.data ?? "", /, from the adapter patterned$/);
});

test("a student learns from conversations as from graphs", async () => {
  const chats = path.join(scratch, "chats.jsonl");
  const lines = Array.from({ length: 12 }, (_, index) => ({
    messages: [
      { role: "user", content: `What is ${index} plus 1?` },
      { role: "assistant", content: `It is ${index + 1}.` },
    ],
  }));
  writeFileSync(chats, lines.map((line) => JSON.stringify(line)).join("\n"));
  const { log, student } = await run({ settings: { recipe: "sft", data: [chats], epochs: 6, patience: 0 } });
  const losses = log.flatMap((line) => (line.kind === "validation" ? [line.loss] : []));
  assert.ok(losses.at(-1)! < losses[0]!);
  assert.equal(student?.training?.data, "11 examples of chats.jsonl");
  assert.equal(student?.training?.recipe, "sft");
});

test("a folder with something in it is no new run", async () => {
  const { folder } = await run({ stopAfter: 1 });
  assert.throws(
    () => createRun(folder, settingsOf()),
    /is not empty; to go on with that run: magdi train --resume/,
  );
});
