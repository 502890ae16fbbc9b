// What lies in the package beside the code: package.json and the student that ships, two folders up both in src and in dist.

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** The folder of the student that ships. */
export const DEFAULT_STUDENT = fileURLToPath(new URL("../../models/smollm2-135m-instruct", import.meta.url));

export function packageVersion(): string {
  const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  return String((JSON.parse(text) as { version: string }).version); // our own package.json
}
