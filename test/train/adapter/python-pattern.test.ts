// Python's regular expressions over names of modules, held to what Python itself matches.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { PatternError, pythonPattern } from "../../../src/train/adapter/python-pattern.ts";
import { fixture } from "../../support/scratch-folder.ts";

interface Recorded {
  readonly names: readonly string[];
  readonly patterns: readonly {
    readonly pattern: string;
    readonly whole: boolean;
    /** Indices of names; null where Python refuses the expression. */
    readonly matches: readonly number[] | null;
  }[];
}
const { names, patterns }: Recorded = JSON.parse(readFileSync(fixture("adapters", "expected.json"), "utf8"));

function matchesOf(pattern: string, whole: boolean): readonly number[] | PatternError {
  try {
    const compiled = pythonPattern(pattern, { whole });
    return names.flatMap((name, index) => (compiled.test(name) ? [index] : []));
  } catch (error) {
    assert.ok(error instanceof PatternError, `${pattern}: ${String(error)}`);
    return error;
  }
}

test("an expression matches the names that Python matches, or is refused", () => {
  assert.ok(patterns.length > 200);
  for (const { pattern, whole, matches } of patterns) {
    const found = matchesOf(pattern, whole);
    if (found instanceof PatternError) {
      assert.ok(matches === null || found.isPython, `${pattern}: ${found.message}`);
    } else assert.deepEqual(found, matches, `${pattern}, ${whole ? "as a whole" : "from the start"}`);
  }
});

test("what Python has and this has not is refused by name", () => {
  for (const [pattern, what] of [
    ["(?P<a>q|v)_(?P=a)", /references to groups/],
    ["(q|v)_\\1", /references to groups/],
    ["(q)?(?(1)x|y)", /conditions on groups/],
    ["\\N{DIGIT ONE}", /Unicode names/],
    ["a".repeat(6000), /up to 5000 characters/],
  ] as const) {
    const found = matchesOf(pattern, true);
    assert.ok(found instanceof PatternError && found.isPython, pattern);
    assert.match(found.message, what);
  }
});
