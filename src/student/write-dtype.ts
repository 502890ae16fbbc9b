// Writes one dtype of a student folder: its data files, the graphs over them, and its entry in the manifest.

import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { expectedTensors } from "../nn/decoder-config.ts";
import { engineGraph, transformersGraph } from "../nn/serving-graph.ts";
import { encodeModel } from "../onnx/encode.ts";
import type { BaseModel } from "./base-model.ts";
import { type Dtype, engineFileName, modelFileName } from "./dtype.ts";
import type { LayerInputs } from "./gptq-inputs.ts";
import type { Manifest } from "./manifest.ts";
import type { ImportProgress } from "./open-base.ts";
import type { MeasuredGraph } from "./quality-meter.ts";
import { StoredWeights } from "./stored-weights.ts";
import { WeightFiles } from "./weight-files.ts";

/** A written dtype with its entry in the manifest, to be measured before the folder is renamed to its place. */
export interface Written extends MeasuredGraph {
  readonly weights: StoredWeights;
  readonly manifest: Omit<NonNullable<Manifest["dtypes"][Dtype]>, "quality">;
  readonly dataFiles: number;
  readonly dataBytes: number;
}

export interface WritingOptions {
  /** For GPTQ. Default null: plain rounding. */
  readonly inputs?: LayerInputs | null;
  readonly onProgress?: (progress: ImportProgress) => void;
}

/** Writes a dtype's data files and graphs into the folder's onnx/.
 * @throws MAGDI_BAD_FILE naming a tensor that holds NaN or an infinity, MAGDI_UNSUPPORTED one that overflows float16. */
export async function writeDtype(
  base: BaseModel,
  folder: string,
  dtype: Dtype,
  { inputs = null, onProgress }: WritingOptions = {},
): Promise<Written> {
  mkdirSync(path.join(folder, "onnx"), { recursive: true });
  const parameters = countParameters(base);
  const bytesEach = { fp32: 4, fp16: 2, q8: 1.3, q4: 0.8, q4f16: 0.8 }[dtype];
  const files = new WeightFiles(path.join(folder, "onnx"), modelFileName(dtype), parameters * bytesEach);
  try {
    const weights = await StoredWeights.write(base, dtype, files, {
      inputs,
      onProgress: (done, total) => onProgress?.({ stage: `writing ${dtype}`, done, total }),
    });
    const names = { engine: `onnx/${engineFileName(dtype)}`, model: `onnx/${modelFileName(dtype)}` };
    const graphs = { engine: engineGraph, model: transformersGraph };
    for (const kind of ["engine", "model"] as const) {
      const model = graphs[kind](base.config, (g) => weights.load(g));
      writeFileSync(path.join(folder, names[kind]), encodeModel(model));
    }
    return {
      dtype,
      weights,
      engineGraph: path.join(folder, names.engine),
      dataFiles: files.count,
      dataBytes: files.bytes,
      manifest: {
        ...names,
        data: files.names.map((name) => `onnx/${name}`),
        weights: Object.fromEntries(weights.formats()),
      },
    };
  } finally {
    files.close();
  }
}

export function countParameters(base: BaseModel): number {
  const sizes = [...expectedTensors(base.config).values()].map((shape) => shape.reduce((a, b) => a * b, 1));
  return sizes.reduce((a, b) => a + b, 0);
}

/** The source's config.json, with the number of data files for transformers.js. */
export function configFor(base: BaseModel, written: readonly Written[]): string {
  const dataFiles = Object.fromEntries(
    written.map(({ dtype, dataFiles }) => [modelFileName(dtype), dataFiles]),
  );
  const own = { ...base.configJson, "transformers.js_config": { use_external_data_format: dataFiles } };
  return `${JSON.stringify(own, null, 2)}\n`;
}

/** Removes all other dtypes from the folder and from `written`. */
export function keepOnly(dtype: Dtype, written: Written[], folder: string): void {
  for (const { manifest } of written.filter((other) => other.dtype !== dtype)) {
    for (const name of [manifest.engine, manifest.model, ...manifest.data]) rmSync(path.join(folder, name));
  }
  written.splice(0, written.length, ...written.filter((other) => other.dtype === dtype));
}
