// The version in package.json, two folders up from here both in src and in dist.

import { readFileSync } from "node:fs";

export function packageVersion(): string {
  const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  return String((JSON.parse(text) as { version: string }).version); // our own package.json
}
