import assert from "node:assert/strict";
import { test } from "node:test";
import { TimeLimitError, withinTime } from "../../src/base/time-limit.ts";

const endless = (): unknown => /(a|a)+z/u.exec("a".repeat(60));

test("an expression and a loop that do not end are stopped, also from inside another limit", () => {
  assert.throws(() => withinTime(50, endless), TimeLimitError);
  assert.throws(() => {
    withinTime(50, () => {
      for (;;);
    });
  }, TimeLimitError);
  assert.throws(() => withinTime(50, () => withinTime(600_000, endless)), TimeLimitError);
});

test("what is done in time gives its value or its own error, one limit inside another too", () => {
  assert.equal(
    withinTime(60_000, () => withinTime(60_000, () => 7)),
    7,
  );
  class OwnError extends Error {}
  assert.throws(() => {
    withinTime(60_000, () => {
      throw new OwnError("mine");
    });
  }, OwnError);
  assert.equal(
    withinTime(60_000, () => "after an error"),
    "after an error",
  );
});
