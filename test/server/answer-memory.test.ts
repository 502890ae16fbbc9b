// The memory of log-probabilities: what one answer may report, what all together may, and that it is given back however an
// answer ends. Over real sockets.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { MemoryPlan } from "../../src/engine/memory-plan.ts";
import { CHAT, TEXT } from "./support/openai-shapes.ts";
import { type RunningApp, runApp } from "./support/running-app.ts";
import { type TinyStudent, tinyStudent } from "./support/tiny-student.ts";
import { until } from "./support/until.ts";

const ENTRY_BYTES = 340;
const BOUND_TOKENS = 400;

/** With memory for 400 tokens that have 20 alternatives each. */
const memory: MemoryPlan = {
  available: { bytes: 1e9, boundedBy: "a limit" },
  bytes: {
    ...{ process: 1, weights: 2, scratch: 3, requests: 4, answers: BOUND_TOKENS * 21 * ENTRY_BYTES },
    ...{ reserve: 5, prefix_cache: 6, rows: 7, bodies: 8e6, unread_answers: 8e6 },
  },
  batchRows: 8,
  contextLength: 512,
  prefixCacheTokens: 0,
  rowBudget: { tokens: 2000, pageTokens: 16 },
};

async function bounded(t: Parameters<typeof runApp>[0]): Promise<{ server: RunningApp; tiny: TinyStudent }> {
  const tiny = tinyStudent({ maxRows: 8, contextLength: 512 });
  return { server: await runApp(t, { ...tiny, memory }), tiny };
}

const text = (fields: object) => ({ prompt: "{{ab}}", ...fields });
const chat = (fields: object) => ({ messages: [{ role: "user", content: "{{ab}}" }], ...fields });

test("an answer that may report more than there is memory for is refused by name, whole and streamed", async (t) => {
  const { server } = await bounded(t);
  const over = [
    [TEXT, text({ n: 2, max_tokens: 201, logprobs: 20 })],
    [TEXT, text({ prompt: ["{{a}}", "{{b}}"], n: 4, max_tokens: 60, logprobs: 20 })],
    // What max_tokens leaves open is the context's.
    [CHAT, chat({ logprobs: true, top_logprobs: 20 })],
    [CHAT, chat({ n: 25, logprobs: true, top_logprobs: 0, max_completion_tokens: 400 })],
  ] as const;
  for (const [path, body] of over) {
    for (const stream of [false, true]) {
      const { status, body: answer } = await server.post(path, { ...body, stream });
      assert.equal(status, 400, JSON.stringify(answer));
      assert.equal(answer.error.param, "max_tokens");
      assert.match(answer.error.message, /^max_tokens: expected at most \d+ tokens of all choices together/);
    }
  }
  const within = [
    [TEXT, text({ n: 2, max_tokens: 200, logprobs: 20 })],
    [TEXT, text({ n: 32, max_tokens: 1000 })],
    [CHAT, chat({ n: 20, logprobs: true, top_logprobs: 0, max_tokens: 400 })],
    [CHAT, chat({ n: 32 })],
  ] as const;
  for (const [path, body] of within) assert.equal((await server.post(path, body)).status, 200);
});

test("answers together hold no more; an answer that was sent, failed or given up gives back", async (t) => {
  const { server, tiny } = await bounded(t);
  const half = text({ prompt: "{{a*}}", n: 2, max_tokens: 100, logprobs: 20 });
  const release = tiny.runner.hold();
  const gone = new AbortController();
  const [first, second] = [server.post(TEXT, half), server.send(TEXT, half, { signal: gone.signal })];
  const inEngine = () => tiny.engine.stats().requestsRunning + tiny.engine.stats().requestsWaiting;
  await until(() => inEngine() === 2);
  for (const [path, body] of [
    [TEXT, half],
    [CHAT, chat({ max_tokens: 1, logprobs: true })],
  ] as const) {
    const { status, headers, body: answer } = await server.post(path, body);
    assert.equal(status, 429, JSON.stringify(answer));
    assert.ok(headers.get("retry-after"));
    assert.match(answer.error.message, /log-probabilities; try again later/);
  }
  // Without log-probabilities there is room.
  const plain = server.post(TEXT, text({ max_tokens: 1 }));
  await until(() => inEngine() === 3);
  gone.abort();
  await assert.rejects(second);
  await until(() => inEngine() === 2);
  const third = server.post(TEXT, half);
  release();
  const answers = await Promise.all([first, plain, third]);
  assert.deepEqual(
    answers.map(({ status }) => status),
    [200, 200, 200],
  );
  // A prompt that is refused later, beyond the bound's check, gives back too.
  for (let turn = 0; turn < 3; turn++) {
    assert.equal((await server.post(TEXT, { ...half, prompt: "x".repeat(600) })).status, 400);
  }
  assert.equal((await server.post(TEXT, { ...half, n: 4 })).status, 200);
});

test("what memory was taken is told: by the model's entry and by a metric", async (t) => {
  const { server } = await bounded(t);
  assert.deepEqual((await server.get("/v1/models/tiny")).body.memory, {
    available_bytes: 1e9,
    batch_rows: 8,
    row_tokens: 2000,
    prefix_cache_tokens: 0,
  });
  assert.equal(await server.metric('magdi_memory_plan_bytes{kind="available"}'), 1e9);
  assert.equal(await server.metric('magdi_memory_plan_bytes{kind="weights"}'), 2);
  assert.equal(await server.metric('magdi_memory_plan_bytes{kind="prefix_cache"}'), 6);
});
