// Pages of an array that go back to the system, as /proc shows them.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { ReturnedPages, returnablePageBytes } from "../../src/runtime/returned-pages.ts";

const pageBytes = returnablePageBytes();
const skip = pageBytes === null && "pages are returned on Linux with glibc alone";
const residentBytes = (): number =>
  1024 * Number(/^RssAnon:\s+(\d+)/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1]);

test("whole pages between two places are returned, and what lies around them stays", { skip }, () => {
  const MB = 1e6;
  const array = new Float32Array(new ArrayBuffer(100 * MB));
  const pages = new ReturnedPages(array);
  array.fill(1);
  const full = residentBytes();
  pages.return(10 * MB + 4, 90 * MB - 4);
  const freed = full - residentBytes();
  assert.ok(freed > 75 * MB && freed < 85 * MB, `${freed} bytes`);
  const words = (pageBytes ?? 0) / 4;
  assert.ok(array.subarray(0, 2.5 * MB + 1).every((value) => value === 1));
  assert.ok(array.subarray(22.5 * MB - 1).every((value) => value === 1));
  assert.ok(array.subarray(2.5 * MB + 1 + words, 22.5 * MB - 1 - words).every((value) => value === 0));
  // It is an array as before.
  array.fill(2);
  assert.ok(array.every((value) => value === 2));
  // Less than a page returns nothing.
  pages.return(0, (pageBytes ?? 0) - 4);
  assert.equal(array[0], 2);
});
