// Compares the training step with reference results: every loss in each mode and adjacency, every gradient file, and steps of
// the optimiser.

import { MagdiError } from "../../base/errors.ts";
import type { HeadTensor } from "../adapter/heads-file.ts";
import { adapterKey, trainableLora } from "../adapter/peft-adapter.ts";
import { ADJACENCIES, type Adjacency } from "../batches/adjacency.ts";
import type { BaseSessionOptions } from "../step/base-session.ts";
import { AdamW, clipGlobalNorm } from "../step/optimiser.ts";
import { openTrainingStep, type StepResult, type TrainingStep } from "../step/training-step.ts";
import { absent, type Check, compared, orNotVerified } from "./check.ts";
import { absoluteWithin, type Errors, errorsOf, normFloor, worstOf } from "./comparison.ts";
import {
  gradientFile,
  PARAMETERS_FILE,
  type ReferenceFolder,
  type ReferenceLosses,
} from "./reference-folder.ts";
import { assertTensors, batchOf, type LossChoice, lossesOver } from "./reference-training.ts";

const LOSS = 1e-5;
const GRADIENT = 1e-4;
/** Of a tensor's update, and of how far a loss has moved: where a gradient is nearly zero, AdamW moves an element by as much as
 * elsewhere, in a direction that rounding may decide. */
const UPDATE = 1e-3;
/** The least norms that errors are divided by, of the norm of all gradients, or all updates. Sums of many terms that nearly cancel,
 * such as the gradient of a head's bias, have no better relative precision in float32 in any framework; and of a tensor of few
 * elements rounding may decide the whole update. */
const FLOOR = { gradient: 1e-3, update: 0.25 } as const;
/** Relative to the largest value: the precision of a mean over a batch in float32. */
const RESOLUTION = 1e-6;

const TERMS = ["nll", "margin", "node", "total"] as const;
const MODES = ["live", "frozen"] as const;
type Mode = (typeof MODES)[number];

interface Setting {
  readonly adjacency: Adjacency;
  readonly mode: Mode;
  /** The only loss; null for all, with the folder's weights. */
  readonly only: "nll" | "margin" | "node" | null;
}

/** The gradient files of the layout. */
const GRADIENT_FILES = [
  "directed.live",
  "directed.frozen",
  "undirected.live",
  "fully-connected.live",
  "only-nll",
  "only-margin",
  "only-node",
];

/** The setting that a gradient file is named after. @throws MAGDI_UNSUPPORTED when it is none. */
function settingOf(name: string): Setting {
  const only = /^only-(nll|margin|node)$/.exec(name)?.[1] as Setting["only"] | undefined; // what the pattern takes
  if (only !== undefined) return { adjacency: "directed", mode: "live", only };
  const adjacency = ADJACENCIES.find((kind) => name.startsWith(`${kind}.`));
  const mode = MODES.find((kind) => name === `${adjacency}.${kind}`);
  if (adjacency !== undefined && mode !== undefined) return { adjacency, mode, only: null };
  throw new MagdiError(
    "MAGDI_UNSUPPORTED",
    `${gradientFile(name)}: expected ADJACENCY.MODE or only-LOSS in its name`,
  );
}

const lossNames = (where: string): string[] => TERMS.map((term) => `loss ${term}, ${where}`);

/** @param first of the first step, where the parameters have been updated since */
function compareLosses(
  where: string,
  found: StepResult,
  expected: ReferenceLosses,
  first: ReferenceLosses = expected,
): Check[] {
  return TERMS.map((term) => {
    const value = [expected[term]];
    const limit = Math.max(LOSS, UPDATE * Math.abs(expected[term] - first[term]));
    const tolerance = absoluteWithin(limit, value, RESOLUTION);
    return compared(`loss ${term}, ${where}`, errorsOf([found[term]], value), tolerance);
  });
}

/** The largest errors, and the key of the tensor that has the largest relative one. */
function worstTensor(
  found: ReadonlyMap<string, Float32Array>,
  expected: ReadonlyMap<string, Float32Array>,
  floorShare: number,
): { readonly errors: Errors; readonly key: string | null } {
  const floor = normFloor(expected.values(), floorShare);
  const each = [...expected].map(([key, values]) => {
    // A parameter that no loss depends on is not in the graph.
    const own = found.get(key) ?? new Float32Array(values.length);
    return { key, errors: errorsOf(own, values, floor) };
  });
  const errors = worstOf(each.map((tensor) => tensor.errors));
  const worst = each.find((tensor) => Object.is(tensor.errors.relative, errors.relative));
  return { errors, key: errors.relative === 0 ? null : (worst?.key ?? null) };
}

/** Opens training steps over the folder's base, with its adapter and heads. */
class ReferenceSteps {
  readonly #folder: ReferenceFolder;
  readonly #options: BaseSessionOptions;

  constructor(folder: ReferenceFolder, options: BaseSessionOptions) {
    this.#folder = folder;
    this.#options = options;
  }

  async with<T>(
    setting: Omit<Setting, "adjacency">,
    use: (step: TrainingStep, heads: ReadonlyMap<string, HeadTensor>) => Promise<T>,
  ): Promise<T> {
    const { weights, margin } = this.#folder.mags();
    const heads = this.#folder.heads();
    const one = (loss: keyof typeof weights): number | null => (setting.only === loss ? 1 : null);
    const choice: LossChoice = {
      weights:
        setting.only === null ? weights : { nll: one("nll"), margin: one("margin"), node: one("node") },
      margin,
      features: setting.mode,
    };
    const base = this.#folder.openBase();
    try {
      const adapter = this.#folder.adapter(base);
      const lora = trainableLora(base.config, adapter);
      const losses = lossesOver(heads, base.config, choice);
      const step = await openTrainingStep(base, { ...this.#options, lora, losses });
      try {
        for (const { module, a, b } of adapter.modules) {
          step.parameters.get(adapterKey(module, "A"))?.set(a);
          step.parameters.get(adapterKey(module, "B"))?.set(b);
        }
        for (const [key, { data }] of heads) step.parameters.get(key)?.set(data);
        return await use(step, heads);
      } finally {
        step.close();
      }
    } finally {
      base.close();
    }
  }
}

/** The shapes of the step's parameters and of heads that it does not have. */
const allShapes = (
  step: TrainingStep,
  heads: ReadonlyMap<string, HeadTensor>,
): Map<string, readonly number[]> =>
  new Map([...step.shapes, ...[...heads].map(([key, { shape }]) => [key, shape] as const)]);

const valuesOf = (tensors: ReadonlyMap<string, HeadTensor>): Map<string, Float32Array> =>
  new Map([...tensors].map(([key, { data }]) => [key, data]));

/** How far parameters have moved from `before`, by key; those that are not in it are left out. */
function updatesOf(
  after: ReadonlyMap<string, Float32Array>,
  before: ReadonlyMap<string, Float32Array>,
): Map<string, Float32Array> {
  return new Map(
    [...after].flatMap(([key, values]) => {
      const from = before.get(key);
      return from === undefined ? [] : [[key, values.map((value, index) => value - from[index]!)]];
    }),
  );
}

async function checkLosses(
  folder: ReferenceFolder,
  steps: ReferenceSteps,
  mode: Mode,
): Promise<readonly Check[]> {
  return steps.with({ mode, only: null }, async (step) => {
    const checks: Check[] = [];
    for (const adjacency of ADJACENCIES) {
      const where = `${adjacency}/${mode}`;
      const own = await orNotVerified(lossNames(where), async () => {
        const expected = folder.losses(where);
        if (expected === null) return absent(lossNames(where), `${where} in expected.json`);
        return compareLosses(where, await step.run(batchOf(folder.mags(), adjacency), "validate"), expected);
      });
      checks.push(...own);
    }
    return checks;
  });
}

async function checkGradients(
  folder: ReferenceFolder,
  steps: ReferenceSteps,
  name: string,
): Promise<readonly Check[]> {
  const setting = settingOf(name);
  const expected = folder.gradients(name);
  return steps.with(setting, async (step, heads) => {
    assertTensors(gradientFile(name), allShapes(step, heads), expected);
    await step.run(batchOf(folder.mags(), setting.adjacency), "train");
    const { errors, key } = worstTensor(step.gradients, valuesOf(expected), FLOOR.gradient);
    return [compared(`gradients ${name}`, errors, { kind: "relative", limit: GRADIENT }, key)];
  });
}

async function checkAdamW(folder: ReferenceFolder, steps: ReferenceSteps): Promise<readonly Check[]> {
  const reference = folder.adamw();
  if (reference === null) return absent(["AdamW"], "adamw in expected.json");
  return steps.with({ mode: "live", only: null }, async (step, heads) => {
    const [beta1, beta2] = reference.betas;
    const optimiser = new AdamW(step.parameters, {
      learningRate: reference.lr,
      beta1,
      beta2,
      epsilon: reference.eps,
      weightDecay: reference.weight_decay,
    });
    const before = new Map(
      [...valuesOf(heads), ...step.parameters].map(([key, values]) => [key, values.slice()]),
    );
    const batch = batchOf(folder.mags(), "directed");
    const checks: Check[] = [];
    for (const [index, expected] of reference.steps.entries()) {
      const where = `AdamW step ${index + 1}`;
      const found = await step.run(batch, "train");
      const norm = clipGlobalNorm(step.gradients, reference.clip_norm || Number.POSITIVE_INFINITY);
      optimiser.step(step.gradients);
      checks.push(...compareLosses(where, found, expected, reference.steps[0]));
      const errors = errorsOf([norm], [expected.grad_norm]);
      checks.push(compared(`gradient norm, ${where}`, errors, { kind: "relative", limit: GRADIENT }));
    }
    const after = ["parameters after AdamW"];
    if (!folder.has(PARAMETERS_FILE)) return [...checks, ...absent(after, PARAMETERS_FILE)];
    const parameters = await orNotVerified(after, async () => {
      const expected = folder.parametersAfter3();
      assertTensors(PARAMETERS_FILE, allShapes(step, heads), expected);
      const wanted = updatesOf(valuesOf(expected), before);
      const { errors, key } = worstTensor(updatesOf(step.parameters, before), wanted, FLOOR.update);
      return [compared("parameters after AdamW", errors, { kind: "relative", limit: UPDATE }, key)];
    });
    return [...checks, ...parameters];
  });
}

/** Yields each quantity as it is checked. */
export async function* trainingChecks(
  folder: ReferenceFolder,
  options: BaseSessionOptions,
): AsyncGenerator<Check> {
  const steps = new ReferenceSteps(folder, options);
  for (const mode of MODES) {
    const names = ADJACENCIES.flatMap((adjacency) => lossNames(`${adjacency}/${mode}`));
    yield* await orNotVerified(names, () => checkLosses(folder, steps, mode));
  }
  for (const name of new Set([...GRADIENT_FILES, ...folder.gradientNames().sort()])) {
    const quantity = [`gradients ${name}`];
    const file = gradientFile(name);
    if (!folder.has(file)) yield* absent(quantity, file);
    else yield* await orNotVerified(quantity, () => checkGradients(folder, steps, name));
  }
  yield* await orNotVerified(["AdamW"], () => checkAdamW(folder, steps));
}
