// The lockfile: every package that npm fetches has a hash, and none an address.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";

interface Entry {
  readonly integrity?: string;
  readonly resolved?: string;
  readonly link?: boolean;
}

test("every package that is fetched has a SHA-512 in the lockfile, and no address of a registry", () => {
  const file = path.join(import.meta.dirname, "..", "..", "package-lock.json");
  const { packages } = JSON.parse(readFileSync(file, "utf8")) as { packages: Record<string, Entry> };
  const fetched = Object.entries(packages).filter(([place, { link }]) => place !== "" && !link);
  assert.ok(fetched.length > 400);
  const without = fetched.filter(([, { integrity = "" }]) => !/^sha512-[\w+/]{86}==$/.test(integrity));
  assert.deepEqual(
    without.map(([place]) => place),
    [],
  );
  // So that npm asks whatever registry it is set to.
  assert.deepEqual(
    fetched.filter(([, { resolved }]) => resolved !== undefined).map(([place]) => place),
    [],
  );
});
