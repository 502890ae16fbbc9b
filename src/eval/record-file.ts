// The JSON records of a file or folder, each with the place that errors point to. One broken record does not end the
// reading. It does not know what records mean.

import { readdirSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import { gunzipSync } from "node:zlib";
import { MagdiError } from "../base/errors.ts";

export interface RawRecord {
  /** FILE:LINE, FILE[INDEX], or a file of a folder. */
  readonly where: string;
  /** Its path in a folder without the ending, which names it where it says no id; null in a file of many. */
  readonly name: string | null;
  readonly value: unknown;
  /** What is wrong with its text; null for JSON. */
  readonly problem: string | null;
}

/**
 * One JSON text a line, an array of records, an object with `examples` or `data`, or a folder of .json files with one
 * record each; gzipped or not.
 * @throws MagdiError MAGDI_FILE_MISSING, MAGDI_BAD_FILE where there is no record at all to point to
 */
export function readRecords(file: string): RawRecord[] {
  let isFolder: boolean;
  try {
    isFolder = statSync(file).isDirectory();
  } catch (cause) {
    throw new MagdiError("MAGDI_FILE_MISSING", `${file}: expected a file of questions, found none`, {
      cause,
    });
  }
  if (isFolder) return readFolder(file);
  const text = textOf(readFileSync(file), file);
  const start = text.trimStart()[0];
  const isOneLine = !text.trim().includes("\n");
  if (start === "[" || (start === "{" && isJson(text) && isOneLine)) return readWhole(file, text);
  if (start === "{" && !isOneLine && !isJson(firstLine(text))) return readWhole(file, text);
  return readLines(file, text);
}

function readLines(file: string, text: string): RawRecord[] {
  return text.split(/\r?\n/).flatMap((line, index) => {
    if (line.trim() === "") return [];
    return [record(`${file}:${index + 1}`, null, line)];
  });
}

/** The bytes that `file` is known by: of a folder, all its records in order. */
export function contentOf(file: string): Buffer[] {
  if (!statSync(file).isDirectory()) return [readFileSync(file)];
  return jsonFiles(file).map((name) => readFileSync(path.join(file, name)));
}

function readFolder(folder: string): RawRecord[] {
  const names = jsonFiles(folder);
  if (names.length === 0) {
    throw new MagdiError("MAGDI_BAD_FILE", `${folder}: expected a folder of .json files, found none in it`);
  }
  return names.map((name) => {
    const file = path.join(folder, name);
    return record(file, name.replace(/\.json$/, ""), readFileSync(file, "utf8"));
  });
}

function jsonFiles(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .map((name) => name.split(path.sep).join("/"))
    .filter((name) => name.endsWith(".json"))
    .sort();
}

function textOf(bytes: Buffer, file: string): string {
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes.toString("utf8").replace(/^\uFEFF/, "");
  try {
    return gunzipSync(bytes).toString("utf8");
  } catch (cause) {
    throw new MagdiError("MAGDI_BAD_FILE", `${file}: expected gzip, found a file that breaks off`, { cause });
  }
}

function firstLine(text: string): string {
  return text.slice(0, `${text}\n`.indexOf("\n"));
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** A whole file of JSON. A first line that is broken looks like the beginning of one: then it is lines after all. */
function readWhole(file: string, text: string): RawRecord[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    const lines = readLines(file, text);
    if (text.trimStart().startsWith("{") && lines.slice(1).some(({ problem }) => problem === null))
      return lines;
    throw new MagdiError("MAGDI_BAD_FILE", `${file}: expected JSON, found ${shown(cause)}`, { cause });
  }
  const list = Array.isArray(value) ? value : listIn(value);
  if (list === null) return [record(`${file}:1`, null, text)];
  return list.map((item: unknown, index) => ({
    where: `${file}[${index}]`,
    name: null,
    value: item,
    problem: null,
  }));
}

function listIn(value: unknown): unknown[] | null {
  if (typeof value !== "object" || value === null) return null;
  for (const [key, item] of Object.entries(value)) {
    if (["examples", "data", "questions"].includes(key) && Array.isArray(item)) return item;
  }
  return null;
}

function record(where: string, name: string | null, text: string): RawRecord {
  try {
    return { where, name, value: JSON.parse(text), problem: null };
  } catch (cause) {
    return { where, name, value: null, problem: `expected JSON, found ${shown(cause)}` };
  }
}

function shown(cause: unknown): string {
  return `text that is none (${cause instanceof Error ? cause.message : String(cause)})`;
}
