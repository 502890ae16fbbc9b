// A folder for one test file's own files, gone when its tests end, and where the fixtures lie.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after } from "node:test";

/** A path under test/fixtures. */
export function fixture(...parts: readonly string[]): string {
  return path.join(import.meta.dirname, "..", "fixtures", ...parts);
}

/** A new, empty folder; call it outside of tests. */
export function scratchFolder(): string {
  const folder = mkdtempSync(path.join(tmpdir(), "magdi-test-"));
  after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
