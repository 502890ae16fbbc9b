// An adapter merged into its base: W + s·B·A in float32, computed tensor by tensor as each is read, so that no more
// than one merged weight is in memory. It writes nothing.

import { MagdiError } from "../../base/errors.ts";
import type { BaseModel, BaseTensor } from "../../student/base-model.ts";
import type { LoraModule } from "./peft-adapter.ts";

/** weight [rows, columns] becomes W + s·B·A; each sum in double precision, rounded once. */
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
    // What was added lies on no grid.
    readGrid: null,
  };
}

/** The base with every adapter in its weights; it reads from `base`, and closing it closes that.
 * @throws MAGDI_BAD_FILE naming an adapter whose module the base lacks, or has in another shape. */
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
