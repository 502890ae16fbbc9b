// Reads a Hugging Face folder as a base model: config.json, safetensors (single or sharded), tokenizer files.

import { existsSync } from "node:fs";
import path from "node:path";
import { MagdiError } from "../base/errors.ts";
import { readJsonObject, readJsonObjectIfThere } from "../base/files/json-file.ts";
import { readRegularText } from "../base/files/regular-file.ts";
import { openSafetensors, openShardedSafetensors } from "../tensor/safetensors.ts";
import { closingOnError } from "../tensor/tensor-file.ts";
import { resolvedTokenizerFiles } from "../text/tokenizer-files.ts";
import { type BaseModel, type BaseTensor, checkTensors } from "./base-model.ts";
import { readConfigJson } from "./config-json.ts";
import { TEXT_FILES } from "./text-files.ts";

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
  const { configJson } = texts;
  const config = readConfigJson(configJson, path.join(folder, "config.json"));
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
  closingOnError(file, () => checkTensors(folder, config, file.entries));
  const tensors = new Map<string, BaseTensor>(
    [...file.entries].map(([name, entry]) => [
      name,
      {
        shape: entry.shape,
        sourceBits: null,
        readFloat32: () => file.readFloat32(name),
        readGrid: null,
      },
    ]),
  );
  return {
    ...texts,
    source: folder,
    config,
    tensors,
    licence: typeof configJson.license === "string" ? configJson.license : null,
    close: () => file.close(),
  };
}
