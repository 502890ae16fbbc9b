// The files that `docker build` would send, by .dockerignore: the last line that names a file or a folder above it
// decides. It knows the patterns that ours has: names, `*` and `!`.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";

interface Rule {
  readonly name: string;
  readonly ignores: boolean;
  readonly pattern: RegExp;
}

export class BuildContext {
  readonly folder: string;
  readonly #rules: readonly Rule[];

  constructor(folder: string) {
    this.folder = folder;
    const lines = readFileSync(path.join(folder, ".dockerignore"), "utf8")
      .split("\n")
      .filter((line) => line.trim() !== "" && !line.startsWith("#"));
    this.#rules = lines.map((line) => {
      const ignores = !line.startsWith("!");
      const name = ignores ? line : line.slice(1);
      assert.ok(!/[?[\]\\]|\*\*/.test(name), `.dockerignore: ${line} is more than these tests understand`);
      const escaped = name.replace(/[.+^${}()|]/g, "\\$&").replaceAll("*", "[^/]*");
      return { name, ignores, pattern: new RegExp(`^${escaped}(?:/|$)`) };
    });
  }

  /** Of a path inside the folder, with slashes. */
  holds(file: string): boolean {
    return this.#rules.findLast(({ pattern }) => pattern.test(file))?.ignores === false;
  }

  /** All files, as paths inside the folder. */
  files(within = ""): string[] {
    return readdirSync(path.join(this.folder, within), { withFileTypes: true }).flatMap((entry) => {
      const name = within === "" ? entry.name : `${within}/${entry.name}`;
      if (entry.isDirectory()) return this.#mayHold(name) ? this.files(name) : [];
      return this.holds(name) ? [name] : [];
    });
  }

  #mayHold(folder: string): boolean {
    return (
      this.holds(folder) || this.#rules.some(({ name, ignores }) => !ignores && name.startsWith(`${folder}/`))
    );
  }
}
