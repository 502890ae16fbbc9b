// The texts of --vocabulary: whole text files, and the strings of JSON files.

import { readFile } from "node:fs/promises";
import { TASKS } from "../answers/task.ts";
import { renderPrompt } from "../asking/prompts.ts";
import { MagdiError } from "../base/errors.ts";
import { jsonFilesIn, readJsonRecords } from "../base/files/json-records.ts";
import type { ImportOptions } from "../student/write-student-folder.ts";

/** @throws MAGDI_BAD_CONFIG for a size without texts */
export function vocabularyFrom(
  files: readonly string[] | undefined,
  size: number | undefined,
): Pick<ImportOptions, "vocabulary"> {
  if (files === undefined) {
    if (size === undefined) return {};
    throw new MagdiError(
      "MAGDI_BAD_CONFIG",
      `--vocabulary-size: expected --vocabulary TEXTS with it, found ${size} and no texts to choose tokens by`,
    );
  }
  const prompts = TASKS.map((task) => renderPrompt({ task, question: "" })[0].content);
  return {
    vocabulary: { texts: textsOf(files), prompts, ...(size === undefined ? {} : { size }) },
  };
}

/** @throws MAGDI_FILE_MISSING, MAGDI_BAD_FILE */
async function* textsOf(files: readonly string[]): AsyncGenerator<string> {
  for (const file of files) {
    if (/\.jsonl?(\.gz)?$/.test(file) || jsonFilesIn(file) !== null) {
      for await (const { value } of readJsonRecords(file)) yield* stringsIn(value);
    } else yield await textOf(file);
  }
}

async function textOf(file: string): Promise<string> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (cause) {
    const message = `--vocabulary: expected a text file, found none that can be read at ${file}`;
    throw new MagdiError("MAGDI_FILE_MISSING", message, { cause });
  }
  if (!text.includes("\0")) return text;
  throw new MagdiError(
    "MAGDI_BAD_FILE",
    `--vocabulary: expected a text file, found zero bytes in ${file}; is it compressed or binary?`,
  );
}

/** Every string below a JSON value, without the names of fields. */
function* stringsIn(value: unknown): Generator<string> {
  if (typeof value === "string") yield value;
  else if (typeof value === "object" && value !== null) {
    for (const item of Object.values(value)) yield* stringsIn(item);
  }
}
