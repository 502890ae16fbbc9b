// What a memory limit refuses, and that what its refusal proposes is then taken.

import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { MagdiError } from "../../src/base/errors.ts";
import { assertFits } from "../../src/engine/engine-settings.ts";
import { weightBytes } from "../../src/student/manifest.ts";
import { cachedTokenBytes, openStudentFolder } from "../../src/student/open-student-folder.ts";

const folder = openStudentFolder(
  fileURLToPath(new URL("../../models/smollm2-135m-instruct", import.meta.url)),
  "q4",
);
const cache = { batchRows: 32, contextLength: 4096, prefixCacheTokens: 2048 };

function refusal(limitMb: number): string {
  let message = "";
  assert.throws(
    () => assertFits(folder, cache, limitMb),
    (error: unknown) => {
      assert.ok(error instanceof MagdiError);
      assert.equal(error.code, "MAGDI_BAD_CONFIG");
      message = error.message;
      return true;
    },
  );
  return message;
}

test("a limit counts the files of weights, and keys and values of every row", () => {
  // 30 layers, keys and values of 3 heads of 64 floats.
  assert.equal(cachedTokenBytes(folder), 30 * 2 * 3 * 64 * 4);
  const weights = weightBytes(folder.manifest, folder.dtype);
  assert.ok(weights > 90_000_000 && weights < 110_000_000, `${weights}`);
  const need = weights + (33 * 4096 + 2048) * cachedTokenBytes(folder);
  assertFits(folder, cache, Math.ceil(need / 1e6));
  assert.match(
    refusal(Math.ceil(need / 1e6) - 1),
    /^memory-limit-mb: expected at least \d+ for \d+ MB of weights and \d+ MB of keys and values \(32 rows of 4096 tokens\), found \d+; /,
  );
});

test("the rows that a refusal proposes fit, and one more does not", () => {
  const limitMb = 2000;
  const [, rows] = /batch-rows (\d+), or a shorter/.exec(refusal(limitMb)) ?? [];
  assert.ok(rows !== undefined);
  assertFits(folder, { ...cache, batchRows: Number(rows) }, limitMb);
  assert.throws(() => assertFits(folder, { ...cache, batchRows: Number(rows) + 1 }, limitMb));
});

test("where no two rows fit, it says what else would help", () => {
  assert.match(refusal(100), /found 100; give it more, a shorter context-length or a smaller dtype$/);
});
