import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { loadBaselines } from "../../src/voting/baselines.ts";
import { Ledger } from "../../src/voting/ledger.ts";

const folder = mkdtempSync(join(tmpdir(), "magdi-baselines-"));
after(() => rmSync(folder, { recursive: true }));

function file(name: string, content: unknown): string {
  const path = join(folder, name);
  writeFileSync(path, typeof content === "string" ? content : JSON.stringify(content));
  return path;
}

test("the ledger counts the prompt once, and discarded tokens within the completion", () => {
  const ledger = new Ledger();
  ledger.addPrompt(50, 20);
  ledger.addFinished(30);
  ledger.addFinished(20);
  ledger.addDiscarded("decided", 5);
  ledger.addDiscarded("deadline", 2);
  assert.deepEqual(ledger.usage(), {
    promptTokens: 50,
    promptTokensComputed: 20,
    completionTokens: 57,
    completionTokensDiscarded: 7,
    totalTokens: 107,
  });
  assert.deepEqual(ledger.discarded(), { decided: 5, cancelled: 0, disconnect: 0, deadline: 2 });
  const baseline = loadBaselines().select("math");
  assert.deepEqual(ledger.comparison(baseline), {
    baseline: "gsm8k",
    tokens: 642.3,
    ratio: 6.003,
    source: baseline.source,
  });
});

test("an empty ledger compares with nothing, and wrong counts are refused", () => {
  const ledger = new Ledger();
  assert.equal(ledger.comparison(loadBaselines().select("free")), null);
  assert.throws(() => ledger.addFinished(-1), { code: "MAGDI_BAD_CONFIG" });
  assert.throws(() => ledger.addFinished(1.5), { code: "MAGDI_BAD_CONFIG" });
  assert.throws(() => ledger.addPrompt(1, 2), { code: "MAGDI_BAD_CONFIG" });
});

test("the shipped baselines are Tables 2 and 10, one for each task", () => {
  const baselines = loadBaselines();
  const tokens = (["math", "multiple-choice", "yes-no", "free"] as const).map(
    (task) => baselines.select(task).tokens,
  );
  assert.deepEqual(tokens, [642.3, 936.9, 924.5, 970.4]);
  assert.deepEqual(
    baselines.all().map(({ name, tokens: debate, studentTokens }) => [name, debate, studentTokens]),
    [
      ["strategyqa", 924.5, 107.5],
      ["commonsenseqa", 936.9, 104.2],
      ["arc-challenge", 448.3, 86.4],
      ["gsm8k", 642.3, 141.6],
      ["math", 1900.1, 645],
      ["mean", 970.4, 216.9],
    ],
  );
  assert.equal(baselines.select("math", "math").tokens, 1900.1);
  assert.throws(() => baselines.select("math", "nope"), { code: "MAGDI_BAD_REQUEST", param: "baseline" });
});

test("a user's file adds, replaces, and takes over a task", () => {
  const path = file("own.json", {
    baselines: {
      ours: { tokens: 512, source: "our own debate", tasks: ["math"] },
      mean: { tokens: 1000, source: "our own mean" },
    },
  });
  const baselines = loadBaselines(path);
  assert.equal(baselines.select("math").name, "ours");
  assert.equal(baselines.select("math", "gsm8k").tokens, 642.3);
  assert.equal(baselines.select("free").tokens, 1000);
});

test("a wrong file says which key is wrong", () => {
  const entry = { tokens: 5, source: "here" };
  const cases: [unknown, RegExp][] = [
    [
      { baselines: { x: { ...entry, tokens: 0 } } },
      /baselines\.x\.tokens: expected a number of tokens above 0, found 0/,
    ],
    [{ baselines: { x: { ...entry, tokens: "5" } } }, /baselines\.x\.tokens/],
    [{ baselines: { x: { tokens: 5 } } }, /baselines\.x\.source.*found nothing/],
    [{ baselines: { x: { ...entry, tasks: ["maths"] } } }, /baselines\.x\.tasks\[0\]: expected one of math/],
    [{ baselines: { x: { ...entry, token: 1 } } }, /baselines\.x\.token: .*unknown key/],
    [{ baselines: [] }, /baselines: expected an object/],
    [[], /expected an object/],
    ["{", /expected JSON/],
  ];
  for (const [content, message] of cases) {
    assert.throws(() => loadBaselines(file("wrong.json", content)), { code: "MAGDI_BAD_CONFIG", message });
  }
  assert.throws(() => loadBaselines(join(folder, "none.json")), { code: "MAGDI_FILE_MISSING" });
});
