// What lies beside the code: package.json, the native libraries and, in a checkout and in the image, a student; two folders
// up both in src and in dist.

import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { MagdiError } from "./errors.ts";

/** The folder of the student that a checkout and the image have. */
export const DEFAULT_STUDENT = fileURLToPath(new URL("../../models/smollm2-135m-instruct", import.meta.url));

/** DEFAULT_STUDENT where there is one. @throws MAGDI_FILE_MISSING that says how to get one: npm's package is without */
export function defaultStudent(): string {
  if (existsSync(DEFAULT_STUDENT)) return DEFAULT_STUDENT;
  throw new MagdiError(
    "MAGDI_FILE_MISSING",
    `expected a student, found none in this package, which has no weights: make one with "npx magdi import HuggingFaceTB/SmolLM2-135M-Instruct --out student" (or of any Llama, Mistral, Qwen2 or Qwen3 model) and name its folder, as in "npx magdi serve --model student"; a checkout of magdi, and its image, have one`,
  );
}

/** The folder of our operators' libraries, one folder a platform. */
export const NATIVE_BINARIES = fileURLToPath(new URL("../../native/bin", import.meta.url));

export function packageVersion(): string {
  const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  return String((JSON.parse(text) as { version: string }).version); // our own package.json
}
