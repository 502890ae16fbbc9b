import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { MagdiError } from "../../../src/base/errors.ts";
import { graphData } from "../../../src/train/batches/graph-data.ts";
import type { TrainingData } from "../../../src/train/batches/training-data.ts";
import type { TrainingUnit } from "../../../src/train/batches/training-unit.ts";
import { type RunLogLine, readRunLog } from "../../../src/train/run/run-log.ts";
import { type TrainerOptions, type TrainingProgress, train } from "../../../src/train/run/trainer.ts";
import { resolveSettings, type TrainingSettings } from "../../../src/train/run/training-settings.ts";
import { NO_LIMITS, withFilesUpTo } from "../../support/limited-process.ts";
import { scratchFolder } from "../../support/scratch-folder.ts";
import { type QuadraticOptions, QuadraticStep, randomData, randomUnits } from "../support/quadratic-step.ts";

const scratch = scratchFolder();
let folders = 0;

function newFolder(): string {
  folders += 1;
  const folder = path.join(scratch, `run-${folders}`);
  mkdirSync(folder);
  return folder;
}

interface RunOptions extends QuadraticOptions {
  readonly settings?: Partial<TrainingSettings>;
  readonly training?: TrainingData;
  readonly validation?: TrainingData | null;
  readonly folder?: string;
  readonly abort?: AbortController;
  readonly origin?: Partial<TrainerOptions["origin"]>;
  readonly now?: () => number;
  readonly onProgress?: (progress: TrainingProgress) => void;
}

const SETTINGS: Partial<TrainingSettings> = {
  batchSize: 8,
  epochs: 3,
  learningRate: 0.05,
  weightDecay: 0.1,
  microBatchRows: 6,
  patience: 0,
};

const ORIGIN = { settingsHash: "settings", baseHash: "base", initAdapterHash: null };

async function run(options: RunOptions = {}) {
  const folder = options.folder ?? newFolder();
  const step = new QuadraticStep(options);
  const settings = resolveSettings([{ nameOf: (key) => key, values: { ...SETTINGS, ...options.settings } }]);
  const outcome = await train({
    settings,
    origin: { ...ORIGIN, ...options.origin },
    folder,
    step,
    training: options.training ?? randomData(20, 1),
    validation: options.validation === undefined ? randomData(5, 2) : options.validation,
    adapter: { base: "base", rank: 2, alpha: 4, dropout: 0, targets: ["q_proj"] },
    signal: (options.abort ?? new AbortController()).signal,
    now: options.now ?? (() => 0),
    ...(options.onProgress === undefined ? {} : { onProgress: options.onProgress }),
  });
  const log = readRunLog(path.join(folder, "metrics.jsonl"));
  return { folder, step, outcome, log };
}

const lines = <K extends RunLogLine["kind"]>(log: readonly RunLogLine[], kind: K) =>
  log.filter((line): line is Extract<RunLogLine, { kind: K }> => line.kind === kind);

const bytes = (folder: string, file: string) => readFileSync(path.join(folder, file)).toString("hex");

const refused = (code: string, message: RegExp) => (error: unknown) => {
  assert.ok(error instanceof MagdiError, String(error));
  assert.equal(error.code, code);
  assert.match(error.message, message);
  return true;
};

test("losses fall, every step and validation has its line, and the best is kept", async () => {
  const { folder, log, outcome } = await run();
  // 20 graphs in batches of 8: three steps an epoch.
  assert.deepEqual(outcome.reason, "done");
  const steps = lines(log, "step");
  assert.deepEqual(
    steps.map(({ step }) => step),
    [1, 2, 3, 4, 5, 6, 7, 8, 9],
  );
  assert.equal(steps[2]!.epoch, 1);
  assert.ok(steps[8]!.loss < steps[0]!.loss);
  const validations = lines(log, "validation");
  assert.deepEqual(
    validations.map(({ step }) => step),
    [0, 3, 6, 9],
  );
  assert.ok(validations[3]!.loss < validations[0]!.loss);
  assert.equal(lines(log, "end")[0]?.reason, "done");
  for (const file of [
    "adapter_config.json",
    "adapter_model.safetensors",
    "heads.safetensors",
    "state.json",
  ]) {
    assert.ok(existsSync(path.join(folder, "best", file)), file);
  }
});

test("heads have a rate of their own where one is given", async () => {
  const settings = { epochs: 1, maxSteps: 1, warmupShare: 0, weightDecay: 0, learningRate: 0.05 };
  const { step } = await run({ validation: null, settings: { ...settings, headLearningRate: 0.01 } });
  // The first step of AdamW is as long as its rate.
  for (const [key, values] of step.parameters) {
    const rate = key === "score.weight" ? 0.01 : 0.05;
    for (const value of values) assert.ok(Math.abs(Math.abs(value - 0.5) - rate) < 1e-4, `${key}: ${value}`);
  }
});

test("heads learn at their own rate where the adapters' is zero, and the other way round", async () => {
  const settings = { epochs: 1, maxSteps: 1, warmupShare: 0, weightDecay: 0 };
  for (const [learningRate, headLearningRate] of [
    [0, 0.01],
    [0.01, 0],
  ] as const) {
    const { step } = await run({
      validation: null,
      settings: { ...settings, learningRate, headLearningRate },
    });
    for (const [key, values] of step.parameters) {
      const rate = key === "score.weight" ? headLearningRate : learningRate;
      for (const value of values)
        assert.ok(Math.abs(Math.abs(value - 0.5) - rate) < 1e-4, `${key}: ${value}`);
    }
  }
});

test("the time that is left counts the steps and the validations to come", async () => {
  let clock = 0;
  const left: number[] = [];
  // 20 graphs, 10 a step, all at once: 2 s a step; 5 graphs to validate on: 7 s.
  await run({
    settings: { batchSize: 10, epochs: 2, microBatchRows: 100 },
    onRun: (_, mode) => {
      clock += mode === "train" ? 2000 : 7000;
    },
    now: () => clock,
    onProgress: ({ secondsLeft }) => left.push(secondsLeft),
  });
  // Validations follow steps 2 and 4.
  assert.deepEqual(left, [3 * 2 + 14, 2 * 2 + 14, 2 + 7, 7]);
});

test("k steps, a stop, and the rest give the same bits as all at once", async () => {
  const whole = await run({ dropout: 0.3 });
  for (const stopBefore of [1, 5, 12, 20]) {
    const abort = new AbortController();
    const folder = newFolder();
    let runs = 0;
    const first = await run({
      dropout: 0.3,
      folder,
      abort,
      onRun: () => {
        runs += 1;
        if (runs === stopBefore) abort.abort();
      },
    });
    assert.equal(first.outcome.reason, "interrupted");
    const rest = await run({ dropout: 0.3, folder });
    assert.equal(rest.outcome.reason, "done");
    assert.deepEqual(rest.log, whole.log);
    for (const file of [
      "adapter_model.safetensors",
      "heads.safetensors",
      "optimiser.safetensors",
      "state.json",
    ]) {
      assert.equal(bytes(folder, `checkpoint/${file}`), bytes(whole.folder, `checkpoint/${file}`), file);
      assert.equal(bytes(folder, `best/${file}`), bytes(whole.folder, `best/${file}`), file);
    }
  }
});

test("a run that was killed goes on from its last checkpoint, and what the log had beyond it is dropped", async () => {
  const whole = await run();
  const killed = newFolder();
  await assert.rejects(
    run({
      folder: killed,
      settings: { checkpointEvery: 2 },
      onRun: (runs) => {
        if (runs === 18) throw new Error("killed");
      },
    }),
    /killed/,
  );
  const log = path.join(killed, "metrics.jsonl");
  assert.ok(lines(readRunLog(log), "step").length > 4);
  writeFileSync(log, `${readFileSync(log, "utf8")}{"kind":"step","st`);
  const { outcome, log: lineage } = await run({ folder: killed, settings: { checkpointEvery: 2 } });
  assert.equal(outcome.reason, "done");
  assert.deepEqual(lineage, whole.log);
});

test("a finished run that is resumed stays as it is", async () => {
  const { folder, log } = await run();
  const again = await run({ folder });
  assert.equal(again.outcome.reason, "done");
  assert.deepEqual(
    again.log.filter(({ kind }) => kind !== "end"),
    log.filter(({ kind }) => kind !== "end"),
  );
});

test("a batch cut into four gives what it gives at once", async () => {
  const settings = { epochs: 1, maxSteps: 1 };
  const training = randomData(8, 3);
  const atOnce = await run({ training, validation: null, settings: { ...settings, microBatchRows: 100 } });
  let batches = 0;
  const cut = await run({
    training,
    validation: null,
    settings: { ...settings, microBatchRows: 6 },
    onRun: () => {
      batches += 1;
    },
  });
  assert.equal(batches, 4);
  const [one, other] = [lines(atOnce.log, "step")[0]!, lines(cut.log, "step")[0]!];
  assert.ok(Math.abs(one.loss - other.loss) < 1e-6 * one.loss);
  assert.ok(Math.abs(one.gradientNorm - other.gradientNorm) < 1e-6 * one.gradientNorm);
  assert.equal(one.tokens, other.tokens);
  for (const [key, values] of atOnce.step.parameters) {
    for (const [index, value] of values.entries()) {
      assert.ok(Math.abs(value - cut.step.parameters.get(key)![index]!) < 1e-6, `${key}[${index}]`);
    }
  }
});

test("groups have means of their own, which are added", async () => {
  const [rationale, label] = [randomUnits(2, 4), randomUnits(2, 5)];
  const settings = { epochs: 1, microBatchRows: 100 };
  const lossOf = async (groups: Record<string, TrainingUnit[]>) => {
    const training = graphData(groups, { adjacency: "directed" });
    return lines((await run({ training, validation: null, settings })).log, "step")[0]!.loss;
  };
  const expected = (await lossOf({ rationale })) + (await lossOf({ label }));
  const found = await lossOf({ rationale, label });
  assert.ok(Math.abs(found - expected) < 1e-6 * expected);
});

test("training stops after patience validations without a better one, and exports the best", async () => {
  // Steps so long that they jump past the minimum.
  const { outcome, log } = await run({
    settings: { learningRate: 0.9, schedule: "constant", epochs: 50, patience: 2 },
  });
  assert.equal(outcome.reason, "early-stop");
  const validations = lines(log, "validation").slice(1);
  const best = validations.reduce((a, b) => (b.loss < a.loss ? b : a));
  assert.deepEqual(outcome.best, { step: best.step, loss: best.loss });
  assert.equal(validations.indexOf(best), validations.length - 3);
});

for (const what of ["loss", "gradient"] as const) {
  test(`a ${what} that is not finite ends the run with step and graphs, and the last checkpoint stays`, async () => {
    const folder = newFolder();
    const expected =
      what === "loss"
        ? /^step 5: the total loss is NaN, in the batch of mag-\d+, mag-\d+/
        : /^step 5: the gradient of .*lora_B\.weight has/;
    await assert.rejects(
      run({ folder, settings: { checkpointEvery: 2 }, broken: { run: 14, what } }),
      refused("MAGDI_DIVERGED", expected),
    );
    const state = JSON.parse(readFileSync(path.join(folder, "checkpoint", "state.json"), "utf8"));
    assert.equal(state.step, 4);
    const { outcome } = await run({ folder, settings: { checkpointEvery: 2 } });
    assert.equal(outcome.reason, "done");
  });
}

test("other settings or data than the checkpoint's are refused", async () => {
  const { folder } = await run();
  const others = [
    [{ settingsHash: "x" }, /other settings/],
    [{ baseHash: "x" }, /other weights or another configuration of the base/],
    [{ initAdapterHash: "x" }, /other weights of the adapter/],
  ] as const;
  for (const [origin, message] of others) {
    await assert.rejects(run({ folder, origin }), refused("MAGDI_BAD_FILE", message));
  }
  await assert.rejects(run({ folder, training: randomData(20, 9) }), refused("MAGDI_BAD_FILE", /other data/));
  for (const validation of [randomData(5, 3), randomData(4, 2), null])
    await assert.rejects(run({ folder, validation }), refused("MAGDI_BAD_FILE", /other data/));
});

test("a place that cannot be written is one error, and the checkpoint before stays", async () => {
  const folder = newFolder();
  const moved = `${folder}-moved`;
  await assert.rejects(
    run({
      folder,
      settings: { checkpointEvery: 2 },
      onRun: (runs) => {
        if (runs !== 14) return;
        renameSync(folder, moved);
        writeFileSync(folder, "in the way");
      },
    }),
    refused("MAGDI_NOT_WRITTEN", /best: cannot be written \(E/),
  );
  assert.equal(JSON.parse(readFileSync(path.join(moved, "checkpoint", "state.json"), "utf8")).step, 4);
  const { outcome } = await run({ folder: moved, settings: { checkpointEvery: 2 } });
  assert.equal(outcome.reason, "done");
});

test("a disk that fills up within a line is one error, and no line is lost when there is room again", {
  skip: NO_LIMITS,
}, async () => {
  const settings = { ...SETTINGS, epochs: 8, checkpointEvery: 1 };
  const folder = newFolder();
  const file = (name: string): string => JSON.stringify(import.meta.resolve(`../../../${name}`));
  const { code, message } = withFilesUpTo<{ code: string; message: string }>(
    4096,
    `import { train } from ${file("src/train/run/trainer.ts")};
     import { resolveSettings } from ${file("src/train/run/training-settings.ts")};
     import { QuadraticStep, randomData } from ${file("test/train/support/quadratic-step.ts")};
     const error = await train({
       settings: resolveSettings([{ nameOf: (key) => key, values: ${JSON.stringify(settings)} }]),
       origin: ${JSON.stringify(ORIGIN)},
       folder: ${JSON.stringify(folder)},
       step: new QuadraticStep(),
       training: randomData(20, 1),
       validation: randomData(5, 2),
       adapter: { base: "base", rank: 2, alpha: 4, dropout: 0, targets: ["q_proj"] },
       signal: new AbortController().signal,
       now: () => 0,
     }).catch((error) => error);
     console.log(JSON.stringify({ code: error.code, message: error.message }));`,
  );
  assert.equal(code, "MAGDI_NOT_WRITTEN");
  assert.match(message, /metrics\.jsonl: cannot be written \(EFBIG/);
  const torn = readFileSync(path.join(folder, "metrics.jsonl"));
  assert.equal(torn.length, 4096);
  assert.notEqual(torn.at(-1), "\n".charCodeAt(0));
  const rest = await run({ folder, settings });
  assert.deepEqual(rest.log, (await run({ settings })).log);
});

test("metrics that cannot be written are one error", async () => {
  const folder = newFolder();
  mkdirSync(path.join(folder, "metrics.jsonl"));
  await assert.rejects(run({ folder }), refused("MAGDI_NOT_WRITTEN", /metrics\.jsonl: .*EISDIR/));
});
