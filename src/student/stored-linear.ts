// One weight matrix as stored: as floats or in quantised blocks. Which of them a tensor becomes in a dtype, its parts in the
// data files, and how a graph loads them.

import type { LinearWeight } from "../nn/linear.ts";
import type { FloatType, TensorData, Value } from "../onnx/graph.ts";
import type { GraphBuilder } from "../onnx/graph-builder.ts";
import * as op from "../onnx/operators.ts";
import { encodeFloat16 } from "../tensor/half.ts";
import { assertWithin, type BaseModel, type BaseTensor, finiteFloats, finiteGrid } from "./base-model.ts";
import { type Dtype, floatsOf, hasFourBits } from "./dtype.ts";
import type { ErrorFeedback } from "./gptq.ts";
import type { MatrixProduct } from "./matrix-product.ts";
import {
  BLOCK_SIZE,
  type CentredGrid,
  centred,
  centredAt,
  compensateAffine4,
  fitsFloat16,
  packCodes,
  roundToAffine4,
  roundToSymmetric8,
} from "./quantise-blocks.ts";
import type { WeightFiles } from "./weight-files.ts";

export type StoredLinear =
  | {
      readonly kind: "float";
      readonly floats: FloatType;
      readonly rows: number;
      readonly columns: number;
      readonly weight: TensorData;
    }
  | {
      readonly kind: "blocks";
      /** The products' float type. */
      readonly floats: FloatType;
      readonly bits: 4 | 8;
      /** The code that is stored as 2^(bits−1). */
      readonly centre: number;
      readonly rows: number;
      readonly columns: number;
      readonly codes: TensorData;
      readonly scales: TensorData;
      /** The value of code 0 in each block; null where that is −centre·scale. */
      readonly mins: TensorData | null;
    };

/** A tensor's values, quantised for storing. */
export type Values =
  | { readonly floats: Float32Array; readonly type: FloatType }
  | { readonly blocks: CentredGrid; readonly type: FloatType };

/** For GPTQ: the feedback of a tensor's inputs. */
export interface Compensation {
  readonly feedback: () => Promise<ErrorFeedback>;
  readonly product: MatrixProduct;
}

/** Whether a linear layer's weight lies on a 4-bit grid already, which is kept exactly. */
const isInFour = ({ sourceBits, readGrid }: BaseTensor): boolean =>
  readGrid !== null && sourceBits !== null && sourceBits <= 4;

/** Whether a linear layer's weight is stored in less than its source: off a grid, or on one of more than 4 bits. */
export function isRoundedToFour(tensor: BaseTensor): boolean {
  return tensor.shape.length === 2 && (tensor.shape[1] ?? 1) % BLOCK_SIZE === 0 && !isInFour(tensor);
}

/** A tensor as it is stored: in the source's own codes where the dtype has their bits, else quantised here, with GPTQ where
 * `compensation` is given and 4 bits are wanted. Rows that are no multiple of a block stay floats.
 * @throws MAGDI_BAD_FILE naming a tensor that holds NaN or an infinity, MAGDI_UNSUPPORTED one that overflows float16. */
export async function valuesFor(
  base: BaseModel,
  name: string,
  dtype: Dtype,
  role: "linear" | "vocabulary",
  compensation: Compensation | null = null,
): Promise<Values> {
  const tensor = base.tensors.get(name)!; // checked against the configuration
  const type = floatsOf(dtype);
  const inFour = hasFourBits(dtype) && role === "linear";
  if (dtype === "fp32" || dtype === "fp16" || (tensor.shape[1] ?? 1) % BLOCK_SIZE !== 0) {
    return { floats: finiteFloats(base, name, type), type };
  }
  const grid = inFour && !isInFour(tensor) ? null : finiteGrid(base, name);
  if (grid !== null) {
    const blocks = centred(grid, inFour ? 4 : 8);
    // The embedding is looked up by row too, for which minimums are not supported.
    if (role === "linear" || blocks.symmetric) return blocksIn(base, name, type, blocks);
  }
  const floats = finiteFloats(base, name);
  if (!inFour) return blocksIn(base, name, type, centredAt(roundToSymmetric8(floats), 8, 128));
  const rounded =
    compensation === null
      ? roundToAffine4(floats)
      : await compensateAffine4(floats, await compensation.feedback(), compensation.product);
  return blocksIn(base, name, type, centredAt(rounded, 4, 8));
}

/** Whether a linear layer's weight is quantised with GPTQ. */
export function isCompensated(tensor: BaseTensor, dtype: Dtype): boolean {
  return hasFourBits(dtype) && isRoundedToFour(tensor);
}

/** @throws MAGDI_UNSUPPORTED naming a tensor whose scales or minimums overflow the type. */
function blocksIn(base: BaseModel, name: string, type: FloatType, blocks: CentredGrid): Values {
  for (const values of [blocks.grid.scales, blocks.grid.mins]) assertWithin(base, name, type, values);
  return { blocks, type };
}

/** Values of the same format can be stored as one weight. */
export function formatOf(values: Values): string {
  if ("floats" in values) return values.type;
  const { bits, centre, symmetric } = values.blocks;
  return `${bits} bits around ${centre}${symmetric ? "" : " with minimums"}`;
}

export function concatenate<T extends Float32Array | Uint8Array>(parts: readonly T[]): T {
  const [first] = parts as readonly [T, ...T[]]; // never called with none
  if (parts.length === 1) return first;
  const Constructor = first.constructor as new (length: number) => T; // the parts' own class
  const whole = new Constructor(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}

export function storeFloats(
  files: WeightFiles,
  type: FloatType,
  shape: readonly number[],
  values: Float32Array,
): TensorData {
  return files.add(type, shape, type === "float32" ? values : encodeFloat16(values));
}

/** Stores float32 scales as float16 where that is exact, which halves their bytes; graphs cast them back. */
function storeScales(
  files: WeightFiles,
  type: FloatType,
  shape: readonly number[],
  values: Float32Array,
): TensorData {
  return storeFloats(files, fitsFloat16(values) ? "float16" : type, shape, values);
}

/** Stores parts of one format as one weight [rows, columns], their rows in order. */
export function storeLinear(
  files: WeightFiles,
  parts: readonly Values[],
  rows: number,
  columns: number,
): StoredLinear {
  const floats = parts.some((part) => part.type === "float16") ? "float16" : "float32";
  const grids = parts.flatMap((part) => ("blocks" in part ? [part.blocks] : []));
  const [first] = grids;
  if (first === undefined) {
    const values = concatenate(parts.flatMap((part) => ("floats" in part ? [part.floats] : [])));
    return {
      kind: "float",
      floats,
      rows,
      columns,
      weight: storeFloats(files, floats, [rows, columns], values),
    };
  }
  const { bits, centre, symmetric } = first;
  const shape = [rows, columns / BLOCK_SIZE];
  const scales = concatenate(grids.map(({ grid }) => grid.scales));
  const mins = concatenate(grids.map(({ grid }) => grid.mins));
  return {
    kind: "blocks",
    floats,
    bits,
    centre,
    rows,
    columns,
    codes: files.add("uint8", [...shape, (BLOCK_SIZE * bits) / 8], concatenate(grids.map(packCodes))),
    scales: storeScales(files, floats, shape, scales),
    mins: symmetric ? null : storeScales(files, floats, shape, mins),
  };
}

/** Stored float16 scales as float32; ONNX Runtime folds the cast when it loads the graph. */
function widened(g: GraphBuilder, name: Value, tensor: TensorData): Value {
  const stored = g.initializer(name, tensor);
  return tensor.type === "float32" ? stored : op.cast(g, stored, "float32");
}

export function loadLinear(g: GraphBuilder, name: string, weight: StoredLinear): LinearWeight {
  if (weight.kind === "float") {
    return { ...weight, weight: g.initializer(`${name}.weight`, weight.weight) };
  }
  const { floats, bits, centre, rows, columns, mins } = weight;
  const codes = g.initializer(`${name}.weight.codes`, weight.codes);
  const byRow = { ...weight.codes, shape: [rows, (columns * bits) / 8] };
  const narrow = floats === "float16";
  const scales = narrow
    ? g.initializer(`${name}.weight.scales`, weight.scales)
    : widened(g, `${name}.weight.scales`, weight.scales);
  // In float32 even for float16, because minimum and centre·scale nearly cancel.
  const offsets = (stored: TensorData): Value => {
    const wide = narrow ? op.cast(g, scales, "float32") : scales;
    const sum = op.add(g, widened(g, `${name}.weight.mins`, stored), op.mul(g, wide, g.float(centre)));
    return narrow ? op.cast(g, sum, "float16") : sum;
  };
  return {
    kind: "blocks",
    floats,
    bits,
    rows,
    columns,
    blockSize: BLOCK_SIZE,
    codes,
    codeRows: () => g.initializer(`${name}.weight.code_rows`, byRow),
    scales,
    offsets: mins === null ? null : offsets(mins),
  };
}
