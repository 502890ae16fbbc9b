// Holds the tests to the contract's table: each of its behaviours has a test that names it.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";

const BEHAVIOURS = 43;
const TESTS = new URL("../", import.meta.url);
const NAMED = /\btest\(\s*["'`]behaviours? ([0-9][^:"'`]*):/g;

/** The behaviours of "7", "26 and 39", "1, 2 and 5", "8 to 11" or "1–6". */
function numbersOf(text: string): number[] {
  return text.split(/, | and /).flatMap((part) => {
    const range = /^([0-9]+)(?:(?: to |–|-)([0-9]+))?$/.exec(part.trim());
    assert.ok(range, `expected behaviours' numbers, found "${text}"`);
    const first = Number(range[1]);
    const last = Number(range[2] ?? first);
    assert.ok(first <= last && last <= BEHAVIOURS, `expected behaviours 1 to ${BEHAVIOURS}, found "${text}"`);
    return Array.from({ length: last - first + 1 }, (_, index) => first + index);
  });
}

function namedBehaviours(): Map<number, string[]> {
  const files = new Map<number, string[]>();
  for (const file of readdirSync(TESTS, { recursive: true, encoding: "utf8" })) {
    if (!file.endsWith(".test.ts")) continue;
    for (const [, text] of readFileSync(new URL(file, TESTS), "utf8").matchAll(NAMED)) {
      for (const number of numbersOf(text ?? "")) files.set(number, [...(files.get(number) ?? []), file]);
    }
  }
  return files;
}

test("each of the contract's behaviours has a test that names it", () => {
  const named = namedBehaviours();
  const missing = Array.from({ length: BEHAVIOURS }, (_, index) => index + 1).filter(
    (number) => !named.has(number),
  );
  assert.deepEqual(missing, []);
});

test("names of one, of several and of ranges are understood", () => {
  assert.deepEqual(numbersOf("7"), [7]);
  assert.deepEqual(numbersOf("26 and 39"), [26, 39]);
  assert.deepEqual(numbersOf("1, 2 and 5"), [1, 2, 5]);
  assert.deepEqual(numbersOf("8 to 11"), [8, 9, 10, 11]);
  assert.deepEqual(numbersOf("1–3 and 6"), [1, 2, 3, 6]);
  assert.throws(() => numbersOf("44"));
  assert.throws(() => numbersOf("many"));
});
