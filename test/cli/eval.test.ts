import assert from "node:assert/strict";
import { test } from "node:test";
import { evalRun } from "../../src/cli/eval-run.ts";

test("rows are two or more, as the engine has them: fewer are refused before anything is opened", () => {
  const flags = ["--data", "questions.jsonl", "--json", "report.json", "--batch-rows"];
  assert.equal(evalRun([...flags, "2"]).batchRows, 2);
  assert.throws(() => evalRun([...flags, "1"]), {
    code: "MAGDI_BAD_CONFIG",
    message: "--batch-rows: expected a whole number from 2, found 1",
  });
});

test("a rerun keeps what its report says where no flag says otherwise", () => {
  const report = {
    out: "again.json",
    data: ["a.jsonl"],
    device: "cuda",
    api: "chat",
    settings: { samples: 5, seed: 3, dataset: null },
  } as const;
  const again = evalRun(["--seed", "4", "--top-p", "0.5", "--device", "cpu"], report);
  assert.deepEqual(
    [again.out, again.data, again.device, again.api, again.batchRows],
    ["again.json", ["a.jsonl"], "cpu", "chat", 32],
  );
  assert.deepEqual(again.settings, { samples: 5, seed: 4, dataset: null, top_p: 0.5 });
  assert.deepEqual(evalRun(["--data", "b.jsonl", "c.jsonl"], report).data, ["b.jsonl", "c.jsonl"]);
});
