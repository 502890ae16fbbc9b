// POST /v1/reason over real sockets: votes, early stops, frames, seeds.
import assert from "node:assert/strict";
import { test } from "node:test";
import { runTiny } from "./support/running-app.ts";

const MATH = { question: "How many are 2 + 2? {{So: The answer is 4.}}" };

test("a question is answered with its task, usage, comparison and seed", async (t) => {
  const { server } = await runTiny(t);
  const { status, body, headers } = await server.post("/v1/reason", MATH);
  assert.equal(status, 200, JSON.stringify(body));
  assert.ok(headers.get("x-request-id"));
  assert.equal(body.answer, "4");
  assert.equal(body.task, "math");
  assert.equal(body.model, "tiny");
  assert.equal(body.reasoning, "So: The answer is 4.");
  assert.deepEqual(body.votes, [{ answer: "4", count: 1, weight: 1, share: 1 }]);
  assert.equal(body.decided_at, 1);
  assert.equal(body.stop_reason, "complete");
  assert.equal(body.samples, undefined);
  assert.equal(body.usage.completion_tokens, "So: The answer is 4.".length + 1);
  assert.equal(body.usage.total_tokens, body.usage.prompt_tokens + body.usage.completion_tokens);
  assert.equal(body.comparison.baseline, "gsm8k");
  assert.ok(Number.isSafeInteger(body.seed));
  assert.ok(body.timing.total_ms >= 0);
});
