// GET /v1/baselines over real sockets.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { baselineList } from "../../src/server/operations/baselines-schema.ts";
import { assertShape } from "./support/openai-shapes.ts";
import { type Json, runTiny } from "./support/running-app.ts";

test("every shipped baseline is listed with its tasks, tokens and source, and the mean", async (t) => {
  const { server } = await runTiny(t);
  const { status, body } = await server.get("/v1/baselines");
  assert.equal(status, 200);
  assertShape(baselineList, body);
  assert.deepEqual(
    body.data.map(({ name, tokens, student_tokens, tasks }: Json) => [name, tokens, student_tokens, tasks]),
    [
      ["strategyqa", 924.5, 107.5, ["yes-no"]],
      ["commonsenseqa", 936.9, 104.2, ["multiple-choice"]],
      ["arc-challenge", 448.3, 86.4, []],
      ["gsm8k", 642.3, 141.6, ["math"]],
      ["math", 1900.1, 645, []],
      ["mean", 970.4, 216.9, ["free"]],
    ],
  );
  const table = {
    strategyqa: 8.6,
    commonsenseqa: 9.0,
    "arc-challenge": 5.2,
    gsm8k: 4.5,
    math: 2.9,
    mean: 4.5,
  };
  for (const { name, ratio, source } of body.data) {
    assert.ok(Math.abs(ratio - table[name as keyof typeof table]) < 0.051, `${name}: ${ratio}`);
    assert.match(source, /Tables 2 and 10/);
  }
  assert.deepEqual(
    body.mean,
    body.data.find(({ name }: Json) => name === "mean"),
  );
});

test("a user's own baselines are listed beside them, and a request may name any", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "baselines-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "baselines.json");
  const own = { tokens: 512, source: "our own debates", tasks: ["math"] };
  writeFileSync(file, JSON.stringify({ baselines: { "my-debate": own } }));
  const { server } = await runTiny(t, { config: { baselines: file } });
  const { body } = await server.get("/v1/baselines");
  assert.deepEqual(body.data.at(-1), { name: "my-debate", ...own, student_tokens: null, ratio: null });
  for (const { name, tokens, source } of body.data) {
    const answer = await server.post("/v1/reason", { question: "{{The answer is 4.}}", baseline: name });
    const { comparison } = answer.body;
    assert.deepEqual([comparison.baseline, comparison.tokens, comparison.source], [name, tokens, source]);
  }
  assert.equal((await server.post("/v1/baselines", {})).status, 405);
});
