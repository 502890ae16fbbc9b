// The small reference tokenizers of test/fixtures/tokenizers, and folders made of files given as text.

import { createHash } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../fixtures/tokenizers/", import.meta.url));

export const byteLevelFolder = join(root, "byte-level");

export interface ExpectedText {
  readonly text: string;
  readonly ids: readonly number[];
  readonly decoded: string;
}

export interface LongText {
  readonly text: string;
  readonly times: number;
  readonly count: number;
  readonly sha256: string;
}

export interface ByteLevelExpectation {
  readonly texts: readonly (ExpectedText & { readonly skipped: string })[];
  readonly long: readonly LongText[];
  /** Pre-tokenizer's name → ids of each of `texts`. */
  readonly pre: Readonly<Record<string, readonly (readonly number[])[]>>;
}

export interface SentencePieceExpectation {
  readonly texts: readonly ExpectedText[];
  readonly long: readonly LongText[];
}

export async function readFixture<T>(path: string): Promise<T> {
  // The fixture's program wrote what the type says.
  return JSON.parse(await readFile(join(root, path), "utf8")) as T;
}

export async function sentencePieceMetadata(): Promise<Map<string, unknown>> {
  return new Map(Object.entries(await readFixture<Record<string, unknown>>("sentencepiece/metadata.json")));
}

export function digest(ids: ArrayLike<number>): string {
  return createHash("sha256").update(Array.from(ids).join(",")).digest("hex");
}

/** Runs `use` on a temporary folder with these files; null: no such file. */
export async function withFolder<T>(
  files: Readonly<Record<string, string | null>>,
  use: (folder: string) => Promise<T>,
): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), "magdi-text-"));
  try {
    for (const [name, content] of Object.entries(files)) {
      if (content !== null) await writeFile(join(folder, name), content);
    }
    return await use(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}
