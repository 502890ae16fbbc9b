// The version in package.json, which lies two folders up from the sources and from what is built of them.

import { readFileSync } from "node:fs";

export function packageVersion(): string {
  const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  return String((JSON.parse(text) as { version: string }).version); // our own package.json
}
