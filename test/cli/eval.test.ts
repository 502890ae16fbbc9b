import assert from "node:assert/strict";
import { test } from "node:test";
import { evalRun } from "../../src/cli/eval-run.ts";

test("rows are two or more, as the engine has them: fewer are refused before anything is opened", () => {
  const flags = ["--data", "questions.jsonl", "--json", "report.json", "--batch-rows"];
  assert.equal(evalRun([...flags, "2"]).batchRows, 2);
  assert.throws(() => evalRun([...flags, "1"]), {
    code: "MAGDI_BAD_CONFIG",
    message: "--batch-rows: expected a whole number of 2 or more, found 1",
  });
});
