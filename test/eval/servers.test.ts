// Servers of others, as they are met: what they refuse, how they say that a prompt is too long, and when they are away.

import assert from "node:assert/strict";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { type TestContext, test } from "node:test";
import Fastify from "fastify";
import type { Asker } from "../../src/eval/asker.ts";
import { openAsker } from "../../src/eval/open-asker.ts";
import { readReport } from "../../src/eval/report.ts";
import { retryingFetch } from "../../src/eval/retrying-fetch.ts";
import type { Json } from "../server/support/running-app.ts";
import { scratchFolder } from "../support/scratch-folder.ts";
import { run, settings } from "./support/answering.ts";

const folder = scratchFolder();
const greedy = settings({ samples: 1, temperature: 0 });

interface Reply {
  readonly status: number;
  readonly body: object;
}

const said = (content: string, more: object = {}): Reply => ({
  status: 200,
  body: { choices: [{ message: { content }, finish_reason: "stop" }], ...more },
});

/** A server of OpenAI's API that answers what `answer` says. */
async function chatServer(t: TestContext, answer: (body: Json) => Reply): Promise<string> {
  const app = Fastify();
  app.get("/v1/models", async () => ({ data: [{ id: "theirs" }] }));
  app.post("/v1/chat/completions", async (request, reply) => {
    const { status, body } = answer(request.body);
    return reply.code(status).send(body);
  });
  await app.listen({ port: 0, host: "127.0.0.1" });
  t.after(() => app.close());
  return `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`; // a listening TCP server's is an object
}

function open(url: string): Promise<Asker> {
  const student = { device: "cpu", dtype: null, threads: null, batchRows: 8, contextLength: null } as const;
  return openAsker(
    { ...student, model: url, api: "chat", modelName: null, apiKey: null, concurrency: null },
    greedy,
  );
}

test("fields that a server refuses are left out and named, the temperature too", async (t) => {
  const asked: Json[] = [];
  const url = await chatServer(t, (body) => {
    asked.push(body);
    const refused = ["max_tokens", "temperature", "top_k"].find((name) => name in body);
    return refused === undefined
      ? said("The answer is 4.", { usage: { prompt_tokens: 9, completion_tokens: 6 } })
      : { status: 400, body: { error: { message: `unsupported: ${refused}` } } };
  });
  const asker = await open(url);
  assert.deepEqual(asker.model.left_out, ["temperature", "top_k"]);
  const { report } = await run(folder, "refusing", asker, { settings: greedy });
  assert.equal(report.results[0]?.accuracy, 1);
  assert.deepEqual(Object.keys(asked.at(-1)).sort(), [
    "logprobs",
    "max_completion_tokens",
    "messages",
    "model",
    "seed",
    "top_p",
  ]);
});

const TOO_LONG: readonly (readonly [who: string, status: number, body: object])[] = [
  ["OpenAI", 400, { error: { message: "too long", code: "context_length_exceeded" } }],
  [
    "vLLM",
    400,
    {
      object: "error",
      message: "This model's maximum context length is 2048 tokens. However, you requested 2300 tokens",
      code: 400,
    },
  ],
  [
    "llama.cpp",
    400,
    {
      error: {
        code: 400,
        message: "the request exceeds the available context size",
        type: "exceed_context_size_error",
      },
    },
  ],
  [
    "an older llama.cpp",
    500,
    { error: { code: 500, message: "the request exceeds the available context size. try increasing it" } },
  ],
];

for (const [who, status, body] of TOO_LONG) {
  test(`a prompt that is too long for ${who} is that question's matter`, async (t) => {
    const url = await chatServer(t, ({ messages }) =>
      JSON.stringify(messages).includes("[xyz]") ? { status, body } : said("The answer is 4."),
    );
    const { report } = await run(folder, `long-${who}`, await open(url), { settings: greedy });
    assert.deepEqual(
      report.results.map((result) => result.too_long),
      [0, 1],
    );
  });
}

test("another refusal ends the run with the server's own words", async (t) => {
  const url = await chatServer(t, ({ messages }) =>
    JSON.stringify(messages).includes("[xyz]")
      ? { status: 400, body: { object: "error", message: "no such letter", code: 400 } }
      : said("The answer is 4."),
  );
  await assert.rejects(run(folder, "refused", await open(url), { settings: greedy }), /no such letter/);
});

test("tokens that a server does not tell are not counted as none", async (t) => {
  const asker = await open(await chatServer(t, () => said("The answer is 4.")));
  const { report, timing } = await run(folder, "untold", asker, { settings: greedy });
  assert.equal(readReport(path.join(folder, "untold.json")).results[0]?.tokens_per_answer, null);
  const [tiny] = report.results;
  assert.equal(tiny?.tokens_per_answer, null);
  assert.equal(tiny?.total_tokens, null);
  assert.equal(tiny?.tokens_per_sample_distribution, null);
  assert.equal(tiny?.debate.ratio, null);
  assert.equal(tiny?.accuracy_by_samples[0]?.tokens_per_answer, null);
  assert.equal(timing.tokens_per_second, null);
});

test("a server that has answered is asked again while it is away, and one that never did is not", async (t) => {
  let replies = [200, 503, 502, 200, 500];
  const url = await chatServer(t, () => ({ status: replies.shift() ?? 503, body: {} }));
  const waits: number[] = [];
  const wait = async (ms: number) => {
    waits.push(ms);
  };
  const post = async (fetch: typeof globalThis.fetch, to = url) =>
    (
      await fetch(`${to}/v1/chat/completions`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: "{}",
      })
    ).status;
  const patient = retryingFetch({ retries: 3, wait });
  assert.equal(await post(patient), 200);
  assert.equal(await post(patient), 200);
  assert.deepEqual(waits, [1000, 2000]);
  assert.equal(await post(patient), 500, "what would fail again is not asked again");
  assert.equal(await post(patient), 503, "nor more often than it was told");
  assert.equal(waits.length, 5);
  await assert.rejects(post(patient, "http://127.0.0.1:1"));
  assert.equal(waits.length, 8, "a connection that breaks");
  replies = [503];
  assert.equal(await post(retryingFetch({ retries: 3, wait })), 503);
  await assert.rejects(post(retryingFetch({ retries: 3, wait }), "http://127.0.0.1:1"));
  assert.equal(waits.length, 8);
});
