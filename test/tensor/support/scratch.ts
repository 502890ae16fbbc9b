// A folder for one test file's own files, gone when its tests end.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";

export const fixtures = join(import.meta.dirname, "../../fixtures");

export interface Scratch {
  readonly folder: string;
  /** Writes the bytes and gives the path; the same name is overwritten. */
  write(name: string, bytes: Uint8Array | string): string;
}

export function scratchFolder(): Scratch {
  const folder = mkdtempSync(join(tmpdir(), "magdi-tensor-"));
  after(() => rmSync(folder, { recursive: true, force: true }));
  return {
    folder,
    write(name, bytes) {
      const path = join(folder, name);
      writeFileSync(path, bytes);
      return path;
    },
  };
}
