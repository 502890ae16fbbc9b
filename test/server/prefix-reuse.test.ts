// What clients see of reused prompts: in their usage, in the metrics, and never in an answer or across keys kept apart.
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { parseKeyList } from "../../src/server/access/api-keys.ts";
import { type Json, type RunningApp, runTiny } from "./support/running-app.ts";

const ALICE = "alices-secret-0123456789";
const BOB = "bobs-secret-0123456789";

const chat = (question: string) => ({
  messages: [
    { role: "system", content: "Answer in one word, and think before you answer." },
    { role: "user", content: `${question} {{Yes}}` },
  ],
  logprobs: true,
  top_logprobs: 2,
});

/** What is reused of a prompt that was just asked: all but two tokens, or three where its length is odd. */
const again = (promptTokens: number) => promptTokens - 2 - (promptTokens % 2);

const usageOf = ({ usage }: Json) => [usage.prompt_tokens, usage.prompt_tokens_details.cached_tokens];

async function assertCounted(server: RunningApp, queries: number, hits: number): Promise<void> {
  assert.equal(await server.metric("magdi_prefix_cache_queries_total"), queries);
  assert.equal(await server.metric("magdi_prefix_cache_hits_total"), hits);
  assert.equal(await server.metric("magdi_prompt_tokens_total"), queries);
  assert.equal(await server.metric("magdi_prompt_tokens_computed_total"), queries - hits);
}

test("usage and metrics say exactly how many tokens of chats, completions and questions were reused", async (t) => {
  const { server } = await runTiny(t, { prefixCacheTokens: 2048, contextLength: 1024 });
  const first = (await server.post("/v1/chat/completions", chat("Is it so?"))).body;
  const length = first.usage.prompt_tokens;
  assert.deepEqual(usageOf(first), [length, 0]);
  const second = (await server.post("/v1/chat/completions", chat("Is it so?"))).body;
  assert.deepEqual(usageOf(second), [length, again(length)]);
  assert.deepEqual(second.choices, first.choices);
  let [queries, hits] = [2 * length, again(length)];

  // The tiny tokenizer's tokens are bytes: the two agree up to the question's first letter.
  const other = (await server.post("/v1/chat/completions", chat("Was it so?"))).body;
  const common = "<\nsystem>Answer in one word, and think before you answer.<\n".length + "<user\n".length;
  assert.deepEqual(usageOf(other), [length + 1, common - (common % 2)]);
  queries += length + 1;
  hits += common - (common % 2);
  await assertCounted(server, queries, hits);

  const ask = {
    question: "How many are 2 + 2? {{The answer is 4.}}",
    samples: 3,
    seed: 5,
    early_stop: "off",
  };
  const cold = (await server.post("/v1/reason", { ...ask, return_samples: true })).body;
  const warm = (await server.post("/v1/reason", { ...ask, return_samples: true })).body;
  const { prompt_tokens: asked, prompt_tokens_computed: computed } = warm.usage;
  assert.equal(computed, asked - again(asked));
  assert.deepEqual([warm.answer, warm.votes, warm.samples], [cold.answer, cold.votes, cold.samples]);
  queries += 2 * asked;
  hits += 2 * asked - cold.usage.prompt_tokens_computed - computed;
  await assertCounted(server, queries, hits);

  const batch = { prompt: ["{{ab}} the same words", "{{ab}} the same words", "{{ab}} the same end"] };
  const completions = (await server.post("/v1/completions", batch)).body;
  const [sameWords, sameEnd] = [21, 19];
  assert.deepEqual(usageOf(completions), [2 * sameWords + sameEnd, again(sameWords) + 16]);
  await assertCounted(server, queries + 2 * sameWords + sameEnd, hits + again(sameWords) + 16);
});

test("a server without a prefix cache reuses nothing, and counts no look-ups", async (t) => {
  const { server } = await runTiny(t, { prefixCacheTokens: 0 });
  for (let round = 0; round < 2; round++) {
    const { body } = await server.post("/v1/chat/completions", chat("Is it so?"));
    assert.equal(body.usage.prompt_tokens_details.cached_tokens, 0);
  }
  assert.equal(await server.metric("magdi_prefix_cache_queries_total"), 0);
  assert.equal(await server.metric("magdi_prefix_cache_hits_total"), 0);
});

/** Tokens reused by Alice, by Bob, by Alice again and by Bob again, all of one prompt. */
async function reusedInTurns(t: TestContext, isolatePrefixes: boolean): Promise<number[]> {
  const config = { isolatePrefixes, apiKeys: parseKeyList(`alice:${ALICE},bob:${BOB}`) };
  const { server } = await runTiny(t, { prefixCacheTokens: 2048, config });
  const reused: number[] = [];
  for (const key of [ALICE, BOB, ALICE, BOB]) {
    const headers = { "content-type": "application/json", authorization: `Bearer ${key}` };
    const { status, body } = await server.post("/v1/chat/completions", chat("Is it so?"), { headers });
    assert.equal(status, 200);
    reused.push(body.usage.prompt_tokens_details.cached_tokens / again(body.usage.prompt_tokens));
  }
  return reused;
}

test("with isolatePrefixes nobody reuses what another key's prompts left", async (t) => {
  assert.deepEqual(await reusedInTurns(t, true), [0, 0, 1, 1]);
  assert.deepEqual(await reusedInTurns(t, false), [0, 1, 1, 1]);
});
