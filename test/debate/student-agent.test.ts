// A student in this process as an agent.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { AgentCallError } from "../../src/debate/agent.ts";
import { openStudentAgent } from "../../src/debate/student-agent.ts";

const agent = await openStudentAgent({
  name: "mine",
  folder: "models/smollm2-135m-instruct",
  device: "cpu",
  dtype: null,
  threads: 1,
  contextLength: 64,
  temperature: 0.7,
  topP: 0.9,
  topK: 50,
  maxTokens: 6,
  form: "text",
  limits: { concurrency: 2, requestsPerMinute: null, timeoutMs: 60_000, retries: 0 },
});
after(() => agent.close());
const signal = new AbortController().signal;

test("a student answers the same for the same seed, counts its tokens and costs nothing", async () => {
  const request = agent.request([{ role: "user", content: "What is 2 + 2?" }], 7);
  const response = await agent.send(request, signal);
  assert.deepEqual(await agent.send(JSON.parse(JSON.stringify(request)), signal), response);
  const { text, refused, model } = agent.read(JSON.parse(JSON.stringify(response)));
  assert.deepEqual([text !== "", refused, model], [true, false, "smollm2-135m-instruct"]);
  const { promptTokens, completionTokens } = agent.usage(response);
  assert.ok(promptTokens !== null && promptTokens > 6);
  assert.ok(completionTokens !== null && completionTokens >= 1 && completionTokens <= 6);
  assert.deepEqual(agent.prices, { inputUsdPerMillion: 0, outputUsdPerMillion: 0 });
  assert.match(JSON.stringify(request), /"files_sha256":"[0-9a-f]{64}"/);
});

test("a question that is longer than its context is one answer less, not the end", async () => {
  const request = agent.request([{ role: "user", content: "word ".repeat(100) }], 7);
  await assert.rejects(agent.send(request, signal), (error) => {
    assert.ok(error instanceof AgentCallError);
    assert.equal(error.after, "missing");
    return true;
  });
});
