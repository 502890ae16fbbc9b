// JSON objects from files of a model folder. It does not know what they say.

import { readFile } from "node:fs/promises";
import { MagdiError } from "../base/errors.ts";

export type JsonObject = Readonly<Record<string, unknown>>;

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * The file's object; null when there is no such file.
 * @throws MAGDI_BAD_FILE when it cannot be read or is no JSON object
 */
export async function readJsonObject(path: string): Promise<JsonObject | null> {
  let content: unknown;
  try {
    content = JSON.parse(await readFile(path, "utf8"));
  } catch (cause) {
    if (isObject(cause) && (cause.code === "ENOENT" || cause.code === "ENOTDIR")) return null;
    throw new MagdiError("MAGDI_BAD_FILE", `${path}: expected JSON: ${String(cause)}`, { cause });
  }
  if (!isObject(content)) {
    throw new MagdiError("MAGDI_BAD_FILE", `${path}: expected a JSON object`);
  }
  return content;
}
