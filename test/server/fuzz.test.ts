// Random and mutated bodies on every route that takes one: never a 500, always the error shape, and nothing left over.
import assert from "node:assert/strict";
import { test } from "node:test";
import { buildApp } from "../../src/server/app.ts";
import { BodyMutations } from "./support/body-mutations.ts";
import { CHAT, chat, REASON, TEXT } from "./support/openai-shapes.ts";
import { assertRefused } from "./support/refusals.ts";
import type { Answer, RunningApp } from "./support/running-app.ts";
import { runDebating } from "./support/running-debates.ts";
import { tinyStudent } from "./support/tiny-student.ts";
import { until } from "./support/until.ts";

const SAMPLING = { temperature: 0.7, top_p: 0.9, top_k: 20, max_tokens: 8, seed: 3, stream: false };
const OPENAI = {
  ...SAMPLING,
  n: 2,
  min_p: 0.1,
  stop: ["z"],
  logit_bias: { "97": 1 },
  user: "me",
  model: "tiny",
};

/** Valid bodies of every route that takes one. */
const BODIES: Readonly<Record<string, readonly object[]>> = {
  [REASON]: [
    { question: "How many? {{The answer is [45].}}", samples: 3, ...SAMPLING, return_samples: true },
    {
      question: "Which? {{The answer is (A).}}",
      choices: ["red", { label: "B", text: "blue" }],
      passage: "It is red.",
      task: "multiple-choice",
      vote: "confidence",
      early_stop: "adaptive",
      wave: 2,
      baseline: "mean",
    },
  ],
  [CHAT]: [
    chat("{{ab[cd]}}", { ...OPENAI, logprobs: true, top_logprobs: 2 }),
    {
      messages: [
        { role: "developer", content: "be brief" },
        { role: "user", content: [{ type: "text", text: "{{ab}}" }] },
      ],
      stream: true,
      stream_options: { include_usage: true },
      metadata: { run: "1" },
    },
  ],
  [TEXT]: [
    { prompt: "{{ab[cd]}}", ...OPENAI, logprobs: 2 },
    { prompt: ["{{a}}", "{{b}}"], stream: true },
    { prompt: [[97, 98], [99]], max_tokens: 4, min_tokens: 2, ignore_eos: true },
  ],
  "/v1/tokenize": [
    { prompt: "Grüße", return_token_strs: true },
    { messages: [{ role: "user", content: "hi" }], add_generation_prompt: false, add_special_tokens: true },
  ],
  "/v1/debate": [
    { question: "How many?", rounds: 1, vote: "majority", seed: 3, stream: true },
    {
      question: "Which?",
      choices: ["red", { label: "B", text: "blue" }],
      passage: "It is red.",
      task: "multiple-choice",
      baseline: "mean",
    },
  ],
  "/v1/detokenize": [{ tokens: [97, 98, 258] }],
  "/v1/vote": [
    { question: "How many?", samples: [{ text: "The answer is 45." }, { text: "46", weight: 2 }] },
    {
      choices: ["red", { label: "B", text: "blue" }],
      task: "multiple-choice",
      samples: [{ text: "The answer is (A).", weight: 0.5 }],
      rule: "confidence",
    },
  ],
};
const ROUNDS = 150;
const CONTENT_TYPES = [
  "text/plain",
  "application/xml",
  "application/x-www-form-urlencoded",
  "a",
  "json;",
  "*/*",
];

test("every route that takes a body is among those tried below", async (t) => {
  const app = buildApp({ student: tinyStudent() });
  t.after(() => app.close());
  const found = new Set<string>();
  app.addHook("onRoute", ({ method, url }) => {
    if ([method].flat().includes("POST")) found.add(url);
  });
  await app.ready();
  assert.deepEqual([...found].sort(), Object.keys(BODIES).sort());
});

async function send(server: RunningApp, path: string, mutations: BodyMutations): Promise<void> {
  const body = mutations.pick(BODIES[path] ?? []);
  const kind = mutations.below(10);
  const text =
    kind < 2
      ? mutations.json()
      : kind < 8
        ? mutations.mutated(body)
        : kind < 9
          ? mutations.broken(body)
          : JSON.stringify(body);
  const type = kind === 9 ? mutations.pick(CONTENT_TYPES) : "application/json";
  const where = `${path} ${type} ${text.slice(0, 2000)}`;
  const response = await server.send(path, text, { headers: { "content-type": type } });
  const content = await response.text();
  if (response.status === 200) {
    const streamed = response.headers.get("content-type")?.startsWith("text/event-stream") ?? false;
    if (streamed) assert.ok(content.endsWith("data: [DONE]\n\n"), where);
    else JSON.parse(content);
    assert.ok(response.headers.get("x-request-id"), where);
    assert.doesNotMatch(content, /"internal_error"/, where);
    return;
  }
  assert.ok([400, 404, 413, 415].includes(response.status), `${response.status} ${content}\n${where}`);
  const answer: Answer = { status: response.status, headers: response.headers, body: JSON.parse(content) };
  assertRefused(answer, response.status);
}

for (const [route, path] of Object.keys(BODIES).entries()) {
  test(`random and mutated bodies on ${path} are answered or refused, and nothing is left of them`, async (t) => {
    const { server, student } = await runDebating(t, { contextLength: 320, config: { maxSamples: 4 } });
    for (const body of BODIES[path] ?? []) assert.equal((await server.send(path, body)).status, 200);
    const clients = Array.from({ length: 4 }, async (_, client) => {
      const mutations = new BodyMutations(1000 * route + client);
      for (let round = 0; round < ROUNDS / 4; round++) await send(server, path, mutations);
    });
    await Promise.all(clients);
    await until(() => server.app.lifecycle.active === 0);
    assert.equal(await server.metric('magdi_request_failures_total{reason="internal"}'), 0);
    const { state, requestsRunning, requestsWaiting, samplesRunning, samplesWaiting } =
      student.engine.stats();
    assert.equal(state, "ready");
    assert.deepEqual([requestsRunning, requestsWaiting, samplesRunning, samplesWaiting], [0, 0, 0, 0]);
    for (const gauge of ["requests_running", "requests_waiting", "samples_running"]) {
      assert.equal(await server.metric(`magdi_${gauge}`), 0, gauge);
    }
    assert.equal((await server.get("/health")).status, 200);
    for (const body of BODIES[path] ?? []) assert.equal((await server.send(path, body)).status, 200);
  });
}
