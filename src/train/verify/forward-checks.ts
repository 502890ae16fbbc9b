// Checks of whole forward passes against reference logits: the base, the base with its adapter, and merged bases.

import type { LoraOptions } from "../../nn/lora.ts";
import type { BaseModel } from "../../student/base-model.ts";
import type { BaseSessionOptions } from "../base-session.ts";
import { mergedBase } from "../merge.ts";
import { adapterKey, type LoraModule, type PeftAdapter } from "../peft-adapter.ts";
import { openStudentForward } from "../student-forward.ts";
import { type Check, compared, orNotVerified } from "./check.ts";
import { absoluteWithin, errorsOf } from "./comparison.ts";
import type { ReferenceFolder, ReferenceLogits } from "./reference-folder.ts";
import { trainableLora, withTensors } from "./reference-training.ts";

const LOGITS = 1e-4;
/** Of the largest logit: what a decoder's sums in float32 leave. */
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
  type Compare = (quantity: string, base: BaseModel, adapter: () => PeftAdapter) => Promise<Check>;
  const checks: [quantity: string, compare: Compare][] = [
    [
      "forward logits",
      (quantity, base) =>
        compareLogits(quantity, folder.logits("forward.safetensors", base.config.vocabSize), base, options),
    ],
    [
      "adapter logits",
      (quantity, base, adapter) => {
        const reference = folder.logits("adapter_forward.safetensors", base.config.vocabSize);
        const { modules } = adapter();
        const lora = trainableLora(base.config, adapter());
        return compareLogits(quantity, reference, base, options, { lora, modules });
      },
    ],
    [
      "adapter logits, merged",
      (quantity, base, adapter) => {
        const reference = folder.logits("adapter_forward.safetensors", base.config.vocabSize);
        return compareLogits(quantity, reference, mergedBase(base, adapter().modules), options);
      },
    ],
    [
      "merged logits after AdamW",
      (quantity, base, adapter) => {
        const reference = folder.logits("merged_after3_forward.safetensors", base.config.vocabSize);
        const modules = withTensors(adapter(), folder.parametersAfter3());
        return compareLogits(quantity, reference, mergedBase(base, modules), options);
      },
    ],
  ];
  for (const [quantity, compare] of checks) {
    yield* await orNotVerified([quantity], async () => {
      const base = folder.openBase();
      try {
        return [await compare(quantity, base, () => folder.adapter(base))];
      } finally {
        base.close();
      }
    });
  }
}
