// Compares forward passes with reference logits: of the base, the base with its adapter, and merged bases.

import type { LoraOptions } from "../../nn/lora.ts";
import type { BaseModel } from "../../student/base-model.ts";
import { mergedBase } from "../adapter/merge.ts";
import { adapterKey, type LoraModule, type PeftAdapter, trainableLora } from "../adapter/peft-adapter.ts";
import type { BaseSessionOptions } from "../step/base-session.ts";
import { openStudentForward } from "../step/student-forward.ts";
import { absent, type Check, compared, orNotVerified } from "./check.ts";
import { absoluteWithin, errorsOf } from "./comparison.ts";
import { PARAMETERS_FILE, type ReferenceFolder, type ReferenceLogits } from "./reference-folder.ts";
import { withTensors } from "./reference-training.ts";

const LOGITS = 1e-4;
/** Relative to the largest logit: the precision of a decoder in float32. */
const RESOLUTION = 1e-5;

/** The adapter's tensors by PEFT key. */
function tensorsOf(modules: readonly LoraModule[]): [key: string, values: Float32Array][] {
  return modules.flatMap(({ module, a, b }) => [
    [adapterKey(module, "A"), a],
    [adapterKey(module, "B"), b],
  ]);
}

async function compareLogits(
  quantity: string,
  reference: ReferenceLogits,
  base: BaseModel,
  options: BaseSessionOptions,
  adapter?: { readonly lora: LoraOptions; readonly modules: readonly LoraModule[] },
): Promise<Check> {
  const forward = await openStudentForward(base, adapter?.lora ?? null, options);
  try {
    for (const [key, values] of tensorsOf(adapter?.modules ?? [])) forward.parameters.get(key)?.set(values);
    const found = await forward.run(reference.tokenIds, reference.rows, reference.columns);
    const errors = errorsOf(found, reference.logits);
    return compared(quantity, errors, absoluteWithin(LOGITS, reference.logits, RESOLUTION));
  } finally {
    forward.close();
  }
}

/** Yields each quantity as it is checked. */
export async function* forwardChecks(
  folder: ReferenceFolder,
  options: BaseSessionOptions,
): AsyncGenerator<Check> {
  type Compare = (
    quantity: string,
    logits: ReferenceLogits,
    base: BaseModel,
    adapter: PeftAdapter,
  ) => Promise<Check>;
  const merged: Compare = (quantity, logits, base, { modules }) =>
    compareLogits(quantity, logits, mergedBase(base, modules), options);
  const checks: [quantity: string, files: [logits: string, ...others: string[]], compare: Compare][] = [
    [
      "forward logits",
      ["forward.safetensors"],
      (quantity, logits, base) => compareLogits(quantity, logits, base, options),
    ],
    [
      "adapter logits",
      ["adapter_forward.safetensors"],
      (quantity, logits, base, adapter) => {
        const lora = trainableLora(base.config, adapter);
        return compareLogits(quantity, logits, base, options, { lora, modules: adapter.modules });
      },
    ],
    ["adapter logits, merged", ["adapter_forward.safetensors"], merged],
    [
      "merged logits after AdamW",
      ["merged_after3_forward.safetensors", PARAMETERS_FILE],
      (quantity, logits, base, adapter) => {
        const modules = withTensors(adapter, folder.parametersAfter3());
        return merged(quantity, logits, base, { ...adapter, modules });
      },
    ],
  ];
  for (const [quantity, files, compare] of checks) {
    const missing = files.filter((name) => !folder.has(name));
    if (missing.length > 0) {
      yield* absent([quantity], missing.join(", "));
      continue;
    }
    yield* await orNotVerified([quantity], async () => {
      const base = folder.openBase();
      try {
        const logits = folder.logits(files[0], base.config.vocabSize);
        return [await compare(quantity, logits, base, folder.adapter(base))];
      } finally {
        base.close();
      }
    });
  }
}
