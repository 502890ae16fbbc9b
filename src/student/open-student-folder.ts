// Opens a student folder for serving: manifest, configuration, and the files of one dtype.

import path from "node:path";
import { MagdiError } from "../base/errors.ts";
import { readJsonObject } from "../base/files/json-file.ts";
import type { DecoderConfig } from "../nn/decoder-config.ts";
import type { Device } from "../runtime/device-name.ts";
import { FLOAT_BYTES, type FloatType } from "../tensor/onnx-type.ts";
import { readConfigJson } from "./config-json.ts";
import { type Dtype, floatsOf } from "./dtype.ts";
import { endTokens } from "./end-tokens.ts";
import { type Manifest, READ_IF_THERE, readManifest } from "./manifest.ts";

export interface StudentFolder {
  readonly path: string;
  readonly manifest: Manifest;
  readonly config: DecoderConfig;
  readonly dtype: Dtype;
  /** Float type of the KV cache: on CUDA float16, the only one that its attention supports. */
  readonly cacheFloats: FloatType;
  /** The engine's step graph. */
  readonly engineGraph: string;
  /** The graph that transformers.js loads. */
  readonly modelGraph: string;
  readonly endTokenIds: ReadonlySet<number>;
}

/** Smallest first, which is fastest. A CPU widens float16 for each product, so these come last. CUDA's attention is in
 * float16 anyway, and not every WebGPU driver supports float16. */
const PREFERENCE: Readonly<Record<Device, readonly Dtype[]>> = {
  cpu: ["q4", "q8", "fp32", "q4f16", "fp16"],
  webgpu: ["q4", "q8", "fp32", "q4f16", "fp16"],
  cuda: ["q4f16", "fp16", "q4", "q8", "fp32"],
};

/** Opens a folder that magdi import wrote; without `wanted`, in the dtype that suits the device best.
 * @throws MAGDI_FILE_MISSING, MAGDI_BAD_FILE, MAGDI_BAD_CONFIG */
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
  const limits = { within: folder };
  const configJson = readJsonObject(path.join(folder, "config.json"), undefined, limits);
  const generation = readJsonObject(path.join(folder, "generation_config.json"), undefined, limits);
  const config = readConfigJson(configJson, path.join(folder, "config.json"));
  return {
    path: folder,
    manifest,
    config,
    dtype,
    cacheFloats: device === "cuda" ? "float16" : floatsOf(dtype),
    engineGraph: path.join(folder, files.engine),
    modelGraph: path.join(folder, files.model),
    endTokenIds: endTokens(generation, configJson, config.vocabSize),
  };
}

/** What serving reads: the dtype's graph and weights, and the texts. */
export function servedFiles({ manifest, dtype }: StudentFolder): string[] {
  const { engine = "", data = [] } = manifest.dtypes[dtype] ?? {};
  return [...READ_IF_THERE, engine, ...data].filter((name) => Object.hasOwn(manifest.files, name));
}

/** Bytes of one token in the KV cache, over all layers. */
export function cachedTokenBytes({ config, cacheFloats }: StudentFolder): number {
  return 2 * config.layers * config.keyValueHeads * config.headSize * FLOAT_BYTES[cacheFloats];
}
