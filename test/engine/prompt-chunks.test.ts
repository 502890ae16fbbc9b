// Where prompts are cut: no chunk's last token is ever alone in a kernel's tile.

import assert from "node:assert/strict";
import { test } from "node:test";
import { nextChunkTokens } from "../../src/engine/model-runner.ts";

function chunks(length: number, mostTokens: number): number[] {
  const cut: number[] = [];
  for (let left = length; left > 0; left -= cut.at(-1)!) cut.push(nextChunkTokens(left, mostTokens));
  return cut;
}

test("a prompt is cut into whole chunks and a rest", () => {
  assert.deepEqual(chunks(75, 128), [75]);
  assert.deepEqual(chunks(300, 128), [128, 128, 44]);
  assert.deepEqual(chunks(129, 128), [126, 3]);
  assert.deepEqual(chunks(65, 128), [62, 3]);
  assert.deepEqual(chunks(1, 128), [1]);
});

test("of any length and any chunk length, no token is alone", () => {
  for (const mostTokens of [4, 6, 8, 16, 24, 34, 128]) {
    for (let length = 2; length < 700; length++) {
      const cut = chunks(length, mostTokens);
      const message = `${length} tokens in chunks of ${mostTokens}: ${cut.join()}`;
      assert.equal(
        cut.reduce((sum, chunk) => sum + chunk, 0),
        length,
      );
      assert.ok(
        cut.every((chunk) => chunk >= 2 && chunk <= mostTokens && chunk % 16 !== 1),
        message,
      );
      assert.ok(
        cut.slice(0, -1).every((chunk) => chunk % 2 === 0),
        message,
      );
    }
  }
});
