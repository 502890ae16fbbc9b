// A base model, whatever format it comes from: configuration, tensors by Hugging Face key, tokenizer files; and the
// checks of its tensors.

import { MagdiError } from "../base/errors.ts";
import { type DecoderConfig, expectedTensors } from "../nn/decoder-config.ts";
import { quoted } from "../tensor/bad-file.ts";
import { type BlockGrid, isFloatType } from "../tensor/ggml-blocks.ts";
import type { FloatType } from "../tensor/onnx-type.ts";
import { shapeMismatches } from "../tensor/shape-mismatch.ts";
import type { TensorFile } from "../tensor/tensor-file.ts";
import type { ConfigJson } from "./config-json.ts";

export interface BaseTensor {
  readonly shape: readonly number[];
  /** Bits of a value in a quantised source; null for floats. */
  readonly sourceBits: number | null;
  /** [product of shape] */
  readFloat32(): Float32Array;
  /** Reads the codes and scales of a tensor that is already quantised; null for floats. */
  readonly readGrid: (() => BlockGrid) | null;
}

export interface BaseModel {
  /** The source as the user named it. */
  readonly source: string;
  readonly config: DecoderConfig;
  readonly configJson: ConfigJson;
  readonly generationConfig: ConfigJson;
  readonly tensors: ReadonlyMap<string, BaseTensor>;
  /** Tokenizer and template files by name; empty when the source has none. */
  readonly textFiles: ReadonlyMap<string, string>;
  /** Licence as the source states it. */
  readonly licence: string | null;
  /** What was read otherwise than its reader may expect: one sentence each, for the terminal and the card. */
  readonly notes?: readonly string[];
  close(): void;
}

/** Buffers in some checkpoints that are not weights. */
const IGNORED = [/\.rotary_emb\.inv_freq$/, /\.masked_bias$/, /\.attn\.bias$/];

/** @throws MAGDI_BAD_FILE naming all tensors that are missing, unexpected or of the wrong shape, with both shapes. */
export function checkTensors(
  source: string,
  config: DecoderConfig,
  tensors: ReadonlyMap<string, { readonly shape: readonly number[] }>,
): void {
  const ignored = (name: string): boolean => IGNORED.some((pattern) => pattern.test(name));
  const mismatches = shapeMismatches(expectedTensors(config), tensors, ignored);
  if (mismatches === "") return;
  throw new MagdiError("MAGDI_BAD_FILE", `${source}: the tensors do not fit the configuration${mismatches}`);
}

/** @throws MAGDI_UNSUPPORTED naming all tensors that are not stored as floats, nor in blocks that stand for floats. */
export function assertFloats(source: string, { entries }: TensorFile): void {
  const others = [...entries.values()].filter(
    ({ name, type }) => !isFloatType(type) && !IGNORED.some((pattern) => pattern.test(name)),
  );
  if (others.length === 0) return;
  const named = others.slice(0, 8).map(({ name, type }) => `${quoted(name)} (${type})`);
  const more = others.length > 8 ? ` and ${others.length - 8} more` : "";
  throw new MagdiError(
    "MAGDI_UNSUPPORTED",
    `${source}: expected weights as floats, found ${named.join(", ")}${more}: whole numbers, the codes of a quantised checkpoint; import the checkpoint that it was made from, or a GGUF file`,
  );
}

function assertFinite(base: BaseModel, name: string, values: Float32Array): void {
  const at = values.findIndex((value) => !Number.isFinite(value));
  if (at < 0) return;
  throw new MagdiError(
    "MAGDI_BAD_FILE",
    `${base.source}: tensor ${name}: expected finite numbers, found ${values[at]}; the checkpoint is damaged or its training diverged`,
  );
}

/** The smallest number that float16 rounds to infinity. */
const FLOAT16_OVERFLOW = 65520;

/** @throws MAGDI_UNSUPPORTED naming the tensor when one of its values overflows the type. */
export function assertWithin(base: BaseModel, name: string, type: FloatType, values: Float32Array): void {
  const found = type === "float32" ? undefined : values.find((value) => Math.abs(value) >= FLOAT16_OVERFLOW);
  if (found === undefined) return;
  throw new MagdiError(
    "MAGDI_UNSUPPORTED",
    `${base.source}: tensor ${name}: float16 reaches to 65504, found ${found}; choose a dtype that computes in float32`,
  );
}

/** A tensor's values [product of shape]. @throws MAGDI_BAD_FILE naming the tensor when it holds NaN or an infinity,
 * MAGDI_UNSUPPORTED when a value overflows the type. */
export function finiteFloats(base: BaseModel, name: string, type: FloatType = "float32"): Float32Array {
  const values = base.tensors.get(name)!.readFloat32(); // checked against the configuration
  assertFinite(base, name, values);
  assertWithin(base, name, type, values);
  return values;
}

/** The codes and scales of a quantised tensor, or null. @throws MAGDI_BAD_FILE naming the tensor when a scale or
 * minimum is NaN or an infinity. */
export function finiteGrid(base: BaseModel, name: string): BlockGrid | null {
  const grid = base.tensors.get(name)!.readGrid?.() ?? null; // checked against the configuration
  if (grid !== null) for (const values of [grid.scales, grid.mins]) assertFinite(base, name, values);
  return grid;
}
