// The weights of a base in the types that other programs read: which type each tensor gets, and its bytes, made when they
// are written.

import { MagdiError } from "../base/errors.ts";
import { packGrid, type QuantisedType, quantiseBlocks } from "../tensor/ggml-quantise.ts";
import { encodeBfloat16, encodeFloat16 } from "../tensor/half.ts";
import { assertWithin, type BaseModel, finiteFloats, finiteGrid } from "./base-model.ts";
import { isStudent } from "./open-base.ts";
import type { PreparedBase } from "./prepared-base.ts";

export type PortableFloat = "F32" | "F16" | "BF16";
export type PortableType = PortableFloat | QuantisedType;

const isFloat = (type: PortableType): type is PortableFloat =>
  type === "F32" || type === "F16" || type === "BF16";

/** A tensor's values in a type. @throws MAGDI_BAD_FILE for NaN or an infinity, MAGDI_UNSUPPORTED for what overflows it */
export function portableData(base: BaseModel, name: string, type: PortableType): ArrayBufferView {
  if (!isFloat(type)) return quantisedData(base, name, type);
  const values = finiteFloats(base, name, type === "F16" ? "float16" : "float32");
  if (type === "F16") return encodeFloat16(values);
  return type === "BF16" ? encodeBfloat16(values) : values;
}

/** In the source's own codes where the type can hold them. */
function quantisedData(base: BaseModel, name: string, type: QuantisedType): ArrayBufferView {
  const grid = finiteGrid(base, name);
  if (grid !== null) {
    for (const values of [grid.scales, grid.mins]) assertWithin(base, name, "float16", values);
    const packed = packGrid(type, grid);
    if (packed !== null) return packed;
  }
  return quantiseBlocks(type, finiteFloats(base, name, "float16"));
}

/** The fewest bits of a value in the base's weights; null where all are floats. */
function sourceBits({ tensors }: BaseModel): number | null {
  const bits = [...tensors.values()].flatMap(({ sourceBits }) => sourceBits ?? []);
  return bits.length === 0 ? null : Math.min(...bits);
}

/** The float type that a base is written in by default: its own, so that no value changes and none is stored twice as wide
 * as it was. */
export function ownFloat({ base }: PreparedBase): PortableFloat {
  const stated = base.configJson.dtype ?? base.configJson.torch_dtype;
  if (stated === "bfloat16") return "BF16";
  return stated === "float16" || sourceBits(base) !== null ? "F16" : "F32";
}

/**
 * What is to be said of weights that were quantised before: writing them wider makes them no finer.
 * @throws MAGDI_UNSUPPORTED for a quantised student that would be passed off as float32
 */
export function widthNotes({ base, sourcePath }: PreparedBase, type: PortableType): string[] {
  const bits = sourceBits(base);
  if (bits === null || !isFloat(type)) return [];
  if (type === "F32" && isStudent(sourcePath)) {
    throw new MagdiError(
      "MAGDI_UNSUPPORTED",
      `${sourcePath}: its weights are quantised to ${bits} bits, and float32 would not bring back what that took: choose fp16 or bf16, which hold them, or export from the base that it was made from (${base.source === sourcePath ? "its card names it" : base.source})`,
    );
  }
  return [
    `The weights are the source's, of ${bits} bits and more, written as ${type}: no finer than they were there.`,
  ];
}
