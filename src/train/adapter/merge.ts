// Merges an adapter into its base: W + s·B·A, computed when a tensor is read, so that at most one merged weight is in
// memory.

import { MagdiError } from "../../base/errors.ts";
import type { BaseModel, BaseTensor } from "../../student/base-model.ts";
import type { LoraModule } from "./peft-adapter.ts";

/** weight [rows, columns] ← W + s·B·A, summed in float64 and rounded once. */
export function addProduct(weight: Float32Array, { a, b, rank, rows, columns, scale }: LoraModule): void {
  const sums = new Float64Array(columns);
  for (let row = 0; row < rows; row++) {
    const start = row * columns;
    for (let column = 0; column < columns; column++) sums[column] = weight[start + column]!;
    for (let k = 0; k < rank; k++) {
      const factor = scale * b[row * rank + k]!;
      if (factor === 0) continue;
      const from = k * columns;
      for (let column = 0; column < columns; column++) sums[column]! += factor * a[from + column]!;
    }
    weight.set(sums, start);
  }
}

function mergedTensor(tensor: BaseTensor, lora: LoraModule): BaseTensor {
  return {
    shape: tensor.shape,
    sourceBits: tensor.sourceBits,
    readFloat32: () => {
      const weight = tensor.readFloat32();
      addProduct(weight, lora);
      return weight;
    },
    // Merged weights are not on the quantisation grid.
    readGrid: null,
  };
}

/** The base with merged weights; it reads from `base`, and closing it closes `base`.
 * @throws MAGDI_BAD_FILE naming a module that the base lacks or has in another shape. */
export function mergedBase(base: BaseModel, modules: readonly LoraModule[]): BaseModel {
  const tensors = new Map(base.tensors);
  for (const lora of modules) {
    const name = `${lora.module}.weight`;
    const tensor = tensors.get(name);
    if (tensor === undefined || tensor.shape.join() !== `${lora.rows},${lora.columns}`) {
      const found = tensor === undefined ? "none" : `[${tensor.shape.join(", ")}]`;
      throw new MagdiError(
        "MAGDI_BAD_FILE",
        `${base.source}: ${name}: expected [${lora.rows}, ${lora.columns}] to merge an adapter into, found ${found}`,
      );
    }
    tensors.set(name, mergedTensor(tensor, lora));
  }
  return { ...base, tensors, close: () => base.close() };
}
