// OpenAI's two routes over real sockets: shapes, streams, stops, log-probabilities, seeds.
import assert from "node:assert/strict";
import { test } from "node:test";
import { CHAT, chat, streamed, TEXT } from "./support/openai-shapes.ts";
import { type Json, runTiny } from "./support/running-app.ts";

test("a chat completion has OpenAI's shape", async (t) => {
  const { server } = await runTiny(t);
  const { status, body } = await server.post(CHAT, chat("say {{Hello.}}", { model: "tiny", seed: 5 }));
  assert.equal(status, 200);
  assert.match(body.id, /^chatcmpl-/);
  assert.equal(body.object, "chat.completion");
  assert.equal(body.model, "tiny");
  assert.deepEqual(body.choices, [
    {
      index: 0,
      message: { role: "assistant", content: "Hello.", refusal: null },
      logprobs: null,
      finish_reason: "stop",
    },
  ]);
  assert.equal(body.usage.completion_tokens, 7);
  assert.equal(body.usage.total_tokens, body.usage.prompt_tokens + 7);
  assert.equal(body.seed, 5);
});

test("text parts, the developer role and earlier turns reach the prompt", async (t) => {
  const { server } = await runTiny(t);
  const { body } = await server.post(CHAT, {
    messages: [
      { role: "developer", content: "be brief {{no}}" },
      { role: "user", content: "hi" },
      { role: "assistant", content: "yes" },
      {
        role: "user",
        content: [
          { type: "text", text: "{{it " },
          { type: "text", text: "works}}" },
        ],
      },
    ],
  });
  assert.equal(body.choices[0].message.content, "it works");
});

test("text completions take a text, several texts, token ids and several lists of ids", async (t) => {
  const { server } = await runTiny(t);
  const ids = [...Buffer.from("{{two}}")];
  const cases: [unknown, string[]][] = [
    ["{{one}}", ["one", "one"]],
    [
      ["{{one}}", "{{two}}"],
      ["one", "one", "two", "two"],
    ],
    [ids, ["two", "two"]],
    [
      [ids, [...Buffer.from("{{three}}")]],
      ["two", "two", "three", "three"],
    ],
  ];
  for (const [prompt, expected] of cases) {
    const { body } = await server.post(TEXT, { prompt, n: 2 });
    assert.equal(body.object, "text_completion");
    assert.deepEqual(
      body.choices.map((choice: Json) => choice.text),
      expected,
    );
    assert.deepEqual(
      body.choices.map((choice: Json) => choice.index),
      [...expected.keys()],
    );
  }
});

test("behaviour 19: max_tokens over the context is clamped, with finish_reason length", async (t) => {
  const { server } = await runTiny(t, { contextLength: 64 });
  const { body } = await server.post(TEXT, { prompt: "{{go on*}}", max_tokens: 1000 });
  assert.equal(body.choices[0].finish_reason, "length");
  assert.equal(body.usage.total_tokens, 64);
  const reason = { question: "{{*}}", task: "free", max_tokens: 1000, return_samples: true };
  const { body: asked } = await (await runTiny(t, { contextLength: 192 })).server.post("/v1/reason", reason);
  assert.equal(asked.samples[0].finish_reason, "length");
  assert.equal(asked.usage.total_tokens, 192);
  const open = await server.post(CHAT, chat("{{*}}"));
  assert.equal(open.body.choices[0].finish_reason, "length");
  assert.equal(open.body.usage.total_tokens, 64);
});

test("behaviours 17 and 18: a prompt over the context is refused before any stream header", async (t) => {
  const { server } = await runTiny(t, { contextLength: 64 });
  const long = "x".repeat(100);
  const bodies: [string, object, string][] = [
    [CHAT, chat(long), "messages"],
    [TEXT, { prompt: long }, "prompt"],
    ["/v1/reason", { question: long }, "question"],
  ];
  for (const [path, body, param] of bodies) {
    for (const stream of [false, true]) {
      const answer = await server.post(path, { ...body, stream });
      assert.equal(answer.status, 400);
      assert.match(answer.headers.get("content-type") ?? "", /^application\/json/);
      const { error } = answer.body;
      assert.equal(error.code, "context_length_exceeded");
      assert.equal(error.param, param);
      assert.ok(error.prompt_tokens >= 100);
      assert.equal(error.context_length, 64);
    }
  }
});

test("behaviour 33: a sample that ends leaves the batch, and the others are untouched", async (t) => {
  const { server, student } = await runTiny(t);
  const ask = (n: number) =>
    server.post(CHAT, chat("free talk", { n, seed: 11, temperature: 1.5, max_tokens: 60 }));
  const four = await ask(4);
  const two = await ask(2);
  const contents = (body: Json) => body.choices.map((choice: Json) => choice.message.content);
  assert.deepEqual(contents(two.body), contents(four.body).slice(0, 2));
  const lengths = contents(four.body).map((content: string) => content.length);
  assert.ok(new Set(lengths).size > 1, "the samples must end at different times");
  assert.ok(student.runner.lastRows < 4);
});

test("behaviours 34 and 35: the stream's shape", async (t) => {
  const { server } = await runTiny(t);
  const body = chat("free talk", { n: 3, seed: 4, max_tokens: 20, stream_options: { include_usage: true } });
  const all = await streamed(server, CHAT, body);
  assert.equal(new Set(all.map((chunk) => chunk.id)).size, 1);
  assert.ok(all.every((chunk) => chunk.object === "chat.completion.chunk" && "usage" in chunk));
  const usage = all.at(-1);
  assert.deepEqual(usage.choices, []);
  assert.equal(all.filter((chunk) => chunk.usage !== null).length, 1);
  for (const index of [0, 1, 2]) {
    const mine = all.flatMap((chunk) => chunk.choices).filter((choice: Json) => choice.index === index);
    assert.deepEqual(mine.map((choice: Json) => choice.delta.role ?? null).filter(Boolean), ["assistant"]);
    assert.equal(mine[0].delta.role, "assistant");
    assert.equal(mine.filter((choice: Json) => choice.finish_reason !== null).length, 1);
    assert.notEqual(mine.at(-1).finish_reason, null);
  }
  const whole = await server.post(CHAT, { ...body, stream_options: undefined });
  assert.deepEqual(usage.usage, whole.body.usage);
  const without = await streamed(server, CHAT, chat("{{x}}"));
  assert.ok(without.every((chunk) => !("usage" in chunk)));
});

test("log-probabilities of chats and texts spell the answer", async (t) => {
  const { server } = await runTiny(t);
  const body = chat("{{[ab]c}}", { logprobs: true, top_logprobs: 2, seed: 1 });
  const { body: whole } = await server.post(CHAT, body);
  const { content } = whole.choices[0].logprobs;
  assert.equal(content.map((entry: Json) => entry.token).join(""), whole.choices[0].message.content);
  assert.ok(Math.abs(content[0].logprob - Math.log(0.5)) < 1e-3);
  assert.deepEqual(
    content[0].top_logprobs.map((top: Json) => top.token),
    ["a", "b"],
  );
  assert.deepEqual(content[1].bytes, [99]);
  const deltas = (await streamed(server, CHAT, body)).flatMap(
    (chunk) => chunk.choices[0].logprobs?.content ?? [],
  );
  assert.deepEqual(deltas, content);
  const bare = await server.post(CHAT, chat("{{c}}", { logprobs: true }));
  assert.deepEqual(bare.body.choices[0].logprobs.content[0].top_logprobs, []);

  const { body: text } = await server.post(TEXT, { prompt: "{{[ab]cd}}", logprobs: 1, seed: 1 });
  const { logprobs } = text.choices[0];
  assert.equal(logprobs.tokens.join(""), text.choices[0].text);
  assert.deepEqual(logprobs.text_offset, [0, 1, 2]);
  assert.equal(logprobs.token_logprobs.length, 3);
  const parts = await streamed(server, TEXT, { prompt: "{{[ab]cd}}", logprobs: 1, seed: 1 });
  assert.deepEqual(
    parts.flatMap((chunk) => chunk.choices[0].logprobs?.text_offset ?? []),
    [0, 1, 2],
  );
});

test("logit_bias, min_tokens and ignore_eos reach the engine", async (t) => {
  const { server } = await runTiny(t);
  const biased = await server.post(TEXT, { prompt: "{{[ab][ab][ab]}}", logit_bias: { "97": -100 } });
  assert.equal(biased.body.choices[0].text, "bbb");
  const longer = await server.post(TEXT, { prompt: "{{ab}}", min_tokens: 5, max_tokens: 8 });
  assert.ok(longer.body.usage.completion_tokens >= 5);
  const forever = await server.post(TEXT, { prompt: "{{ab}}", ignore_eos: true, max_tokens: 8 });
  assert.equal(forever.body.usage.completion_tokens, 8);
});

test("the served model is listed with its manifest", async (t) => {
  const { server } = await runTiny(t);
  const { body } = await server.get("/v1/models");
  assert.equal(body.object, "list");
  assert.deepEqual(body.data[0].manifest, { base: "scripted" });
  assert.equal(body.data[0].context_length, 512);
  assert.deepEqual((await server.get("/v1/models/tiny")).body, body.data[0]);
  assert.equal((await server.get("/")).body.model, "tiny");
});
