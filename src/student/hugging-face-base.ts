// Reads a Hugging Face folder as a base model: config.json, safetensors (single or sharded), tokenizer files.

import { existsSync } from "node:fs";
import path from "node:path";
import { MagdiError } from "../base/errors.ts";
import { readJsonObject, readJsonObjectIfThere } from "../base/files/json-file.ts";
import { readRegularText } from "../base/files/regular-file.ts";
import type { DecoderConfig } from "../nn/decoder-config.ts";
import { openSafetensors, openShardedSafetensors } from "../tensor/safetensors.ts";
import { closingOnError, type TensorFile } from "../tensor/tensor-file.ts";
import { resolvedTokenizerFiles } from "../text/tokenizer-files.ts";
import { assertFloats, type BaseModel, type BaseTensor, checkTensors } from "./base-model.ts";
import { configNotes, readConfigJson } from "./config-json.ts";
import { TEXT_FILES } from "./text-files.ts";
import { EMBEDDING, HEAD, headsOf } from "./tied-head.ts";

/** A folder's files besides the weights.
 * @throws MAGDI_FILE_MISSING, MAGDI_BAD_FILE when config.json is not there or a file is not JSON. */
export function readHuggingFaceTexts(
  folder: string,
): Pick<BaseModel, "configJson" | "generationConfig" | "textFiles"> {
  const limits = { within: folder };
  const configJson = readJsonObject(path.join(folder, "config.json"), undefined, limits);
  const textFiles = readTokenizerFiles(folder);
  const generation = path.join(folder, "generation_config.json");
  return { configJson, generationConfig: readJsonObjectIfThere(generation, limits), textFiles };
}

/** A folder's tokenizer and template files by name, as AutoTokenizer reads them together; empty when it has none.
 * @throws MAGDI_BAD_FILE when one is not JSON */
export function readTokenizerFiles(folder: string): Map<string, string> {
  const limits = { within: folder };
  const found = new Map<string, string>();
  for (const name of TEXT_FILES) {
    const full = path.join(folder, name);
    if (existsSync(full)) found.set(name, readRegularText(full, limits));
  }
  const config = readJsonObjectIfThere(path.join(folder, "tokenizer_config.json"), limits);
  return resolvedTokenizerFiles(found, config);
}

/** Opens the folder; tensors are read on demand.
 * @throws MAGDI_FILE_MISSING, MAGDI_BAD_FILE, MAGDI_UNSUPPORTED naming what is wrong. */
export function openHuggingFaceBase(folder: string): BaseModel {
  if (!existsSync(path.join(folder, "config.json"))) {
    throw new MagdiError(
      "MAGDI_FILE_MISSING",
      `${folder}: expected a Hugging Face model folder with a config.json in it, or a .gguf file`,
    );
  }
  const texts = readHuggingFaceTexts(folder);
  const stated = readConfigJson(texts.configJson, path.join(folder, "config.json"));
  const single = path.join(folder, "model.safetensors");
  const index = path.join(folder, "model.safetensors.index.json");
  if (!existsSync(single) && !existsSync(index)) {
    throw new MagdiError(
      "MAGDI_FILE_MISSING",
      `${folder}: expected model.safetensors or model.safetensors.index.json; other weight formats are not read`,
    );
  }
  const file = existsSync(single)
    ? openSafetensors(single, { within: folder })
    : openShardedSafetensors(index);
  return closingOnError(file, () => baseOf(folder, file, texts, stated));
}

function baseOf(
  folder: string,
  file: TensorFile,
  texts: ReturnType<typeof readHuggingFaceTexts>,
  stated: DecoderConfig,
): BaseModel {
  assertFloats(folder, file);
  const heads = stated.tiedHead ? headsOf(file) : null;
  const config = { ...stated, tiedHead: heads?.tied ?? false };
  const configJson =
    heads?.tied === false ? { ...texts.configJson, tie_word_embeddings: false } : texts.configJson;
  const tensors = new Map<string, BaseTensor>();
  for (const [name, { shape }] of file.entries) {
    if (name === HEAD && config.tiedHead && heads?.embedding !== HEAD) continue;
    tensors.set(name === heads?.embedding ? EMBEDDING : name, {
      shape,
      sourceBits: null,
      readFloat32: () => file.readFloat32(name),
      readGrid: null,
    });
  }
  checkTensors(folder, config, tensors);
  const { license } = texts.configJson;
  return {
    ...texts,
    configJson,
    source: folder,
    config,
    tensors,
    notes: [...configNotes(texts.configJson, folder), ...(heads?.notes ?? [])],
    licence: typeof license === "string" ? license : null,
    close: () => file.close(),
  };
}
