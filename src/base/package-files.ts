// What lies in the package beside the code: package.json, the student that ships and the native libraries, two folders up
// both in src and in dist.

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** The folder of the student that ships. */
export const DEFAULT_STUDENT = fileURLToPath(new URL("../../models/smollm2-135m-instruct", import.meta.url));

/** The folder of our operators' libraries, one folder a platform. */
export const NATIVE_BINARIES = fileURLToPath(new URL("../../native/bin", import.meta.url));

export function packageVersion(): string {
  const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  return String((JSON.parse(text) as { version: string }).version); // our own package.json
}
