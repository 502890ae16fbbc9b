// Which build of the project this is. It knows nothing of what is served.
import { readFileSync } from "node:fs";

/** The version in package.json, which lies three folders up from the sources and from what is built of them. */
export function buildVersion(): string {
  const text = readFileSync(new URL("../../../package.json", import.meta.url), "utf8");
  return String((JSON.parse(text) as { version: string }).version); // our own package.json
}
