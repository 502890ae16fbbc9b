// A student folder opened for serving: its manifest, its configuration, and the files of one dtype.

import path from "node:path";
import { MagdiError } from "../base/errors.ts";
import { readJsonObject } from "../base/files/json-file.ts";
import type { DecoderConfig } from "../nn/decoder-config.ts";
import type { Device } from "../runtime/device-name.ts";
import { FLOAT_BYTES, type FloatType } from "../tensor/data-type.ts";
import { type ConfigJson, readConfigJson } from "./config-json.ts";
import { type Dtype, floatsOf } from "./dtype.ts";
import { type Manifest, readManifest } from "./manifest.ts";

export interface StudentFolder {
  readonly path: string;
  readonly manifest: Manifest;
  readonly config: DecoderConfig;
  readonly dtype: Dtype;
  /** What its keys and values are kept in: on CUDA float16, the only floats that its attention has. */
  readonly cacheFloats: FloatType;
  /** The step graph of our engine. */
  readonly engineGraph: string;
  /** The graph that transformers.js loads. */
  readonly modelGraph: string;
  readonly endTokenIds: ReadonlySet<number>;
}

/** The smallest first: what a processor serves fastest. It widens float16 for each product, and so takes them last. A GPU
 * has no kernels for int8's products; CUDA attends in float16 anyway, and not every driver of WebGPU computes in it. */
const PREFERENCE: Readonly<Record<Device, readonly Dtype[]>> = {
  cpu: ["q4", "int8", "q8", "fp32", "q4f16", "fp16"],
  webgpu: ["q4", "q8", "fp32", "q4f16", "fp16", "int8"],
  cuda: ["q4f16", "fp16", "q4", "q8", "fp32", "int8"],
};

/** The tokens that end an answer: what generation_config.json says, else config.json. */
export function endTokens(generation: ConfigJson, config: ConfigJson): ReadonlySet<number> {
  const value = generation.eos_token_id ?? config.eos_token_id ?? [];
  const ids = Array.isArray(value) ? value : [value];
  return new Set(ids.filter((id): id is number => typeof id === "number"));
}

/** Opens a folder that magdi import wrote; without a dtype the one there that suits the device best.
 * @throws MAGDI_FILE_MISSING, MAGDI_BAD_FILE, MAGDI_BAD_CONFIG naming what is wrong and what to do. */
export function openStudentFolder(folder: string, wanted?: Dtype, device: Device = "cpu"): StudentFolder {
  const manifest = readManifest(folder);
  const there = PREFERENCE[device].filter((dtype) => manifest.dtypes[dtype] !== undefined);
  const dtype = wanted ?? there[0];
  const files = dtype === undefined ? undefined : manifest.dtypes[dtype];
  if (dtype === undefined || files === undefined) {
    throw new MagdiError(
      "MAGDI_BAD_CONFIG",
      `dtype: ${folder} holds ${there.join(", ") || "none"}, found ${wanted ?? "none asked for"}`,
    );
  }
  const configJson = readJsonObject(path.join(folder, "config.json"));
  return {
    path: folder,
    manifest,
    config: readConfigJson(configJson, path.join(folder, "config.json")),
    dtype,
    cacheFloats: device === "cuda" ? "float16" : floatsOf(dtype),
    engineGraph: path.join(folder, files.engine),
    modelGraph: path.join(folder, files.model),
    endTokenIds: endTokens(readJsonObject(path.join(folder, "generation_config.json")), configJson),
  };
}

/** Bytes of a token's keys and values in all layers. */
export function cachedTokenBytes({ config, cacheFloats }: StudentFolder): number {
  return 2 * config.layers * config.keyValueHeads * config.headSize * FLOAT_BYTES[cacheFloats];
}
