// What the server refuses, and how the refusal names the field: over real sockets.
import assert from "node:assert/strict";
import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { CHAT, REASON, TEXT } from "./support/openai-shapes.ts";
import { assertRefused, refuseAll } from "./support/refusals.ts";
import { runApp, runTiny } from "./support/running-app.ts";
import { tinyStudent } from "./support/tiny-student.ts";

const HELLO = { messages: [{ role: "user", content: "hello {{hi}}" }] };

test("behaviour 7: an unknown model is 404 model_not_found", async (t) => {
  const { server } = await runTiny(t);
  const bodies: [string, object][] = [
    [CHAT, HELLO],
    [TEXT, { prompt: "x" }],
    [REASON, { question: "x" }],
  ];
  for (const [path, body] of bodies) {
    const answer = await server.post(path, { ...body, model: "gpt-9" });
    assertRefused(answer, 404, "model");
    assert.equal(answer.body.error.code, "model_not_found");
  }
  assertRefused(await server.get("/v1/models/gpt-9"), 404);
});

test("behaviours 8 to 11: sampling parameters out of range", async (t) => {
  const { server } = await runTiny(t);
  const shared: [object, string][] = [
    [{ temperature: -0.1 }, "temperature"],
    [{ temperature: 2.1 }, "temperature"],
    [{ temperature: "1" }, "temperature"],
    [{ top_p: 0 }, "top_p"],
    [{ top_p: 1.1 }, "top_p"],
    [{ top_k: -1 }, "top_k"],
    [{ top_k: 1.5 }, "top_k"],
    [{ max_tokens: 0 }, "max_tokens"],
    [{ max_tokens: 1.5 }, "max_tokens"],
    [{ seed: -1 }, "seed"],
    [{ seed: 0.5 }, "seed"],
    [{ stream: "yes" }, "stream"],
  ];
  const openAi: [object, string][] = [
    ...shared,
    [{ min_p: -0.1 }, "min_p"],
    [{ min_p: 1.1 }, "min_p"],
    [{ min_tokens: -1 }, "min_tokens"],
    [{ min_tokens: 5, max_tokens: 4 }, "min_tokens"],
    [{ presence_penalty: 1 }, "presence_penalty"],
    [{ stream_options: { include_usage: true } }, "stream_options"],
  ];
  await refuseAll(server, REASON, { question: "x" }, shared);
  await refuseAll(server, CHAT, HELLO, openAi);
  await refuseAll(server, TEXT, { prompt: "x" }, openAi);
  await refuseAll(server, CHAT, HELLO, [
    [{ max_completion_tokens: 0 }, "max_completion_tokens"],
    [{ top_logprobs: 2 }, "top_logprobs"],
    [{ logprobs: true, top_logprobs: 21 }, "top_logprobs"],
  ]);
  // 1e999 is valid JSON and parses to infinity.
  for (const name of ["temperature", "top_p", "top_k", "max_tokens", "seed"]) {
    for (const number of ["1e999", "-1e999"]) {
      const fields = `"messages":[{"role":"user","content":"x"}],"prompt":"x","${name}":${number}`;
      for (const path of [CHAT, TEXT]) assertRefused(await server.post(path, `{${fields}}`), 400, name);
      assertRefused(await server.post(REASON, `{"question":"x","${name}":${number}}`), 400, name);
    }
  }
  assertRefused(await server.post(REASON, '{"question":"x","temperature":NaN}'), 400, null);
});

test("behaviour 12: too few or too many samples, naming the cap", async (t) => {
  const { server } = await runTiny(t, { config: { maxSamples: 4 } });
  for (const count of [0, 5, 1.5, -1, 1e9, "2", true]) {
    for (const [path, body, param] of [
      [REASON, { question: "x", samples: count }, "samples"],
      [CHAT, { ...HELLO, n: count }, "n"],
      [TEXT, { prompt: "x", n: count }, "n"],
    ] as const) {
      const answer = await server.post(path, body);
      assertRefused(answer, 400, param);
      assert.match(answer.body.error.message, /1 to 4/);
    }
  }
  assert.equal((await server.post(CHAT, { ...HELLO, n: 4 })).body.choices.length, 4);
});

test("behaviour 13: several samples with temperature 0", async (t) => {
  const { server } = await runTiny(t);
  for (const stream of [false, true]) {
    assertRefused(await server.post(CHAT, { ...HELLO, n: 2, temperature: 0, stream }), 400, "n");
    assertRefused(await server.post(TEXT, { prompt: "x", n: 2, temperature: 0, stream }), 400, "n");
    const reason = await server.post(REASON, { question: "x", samples: 2, temperature: 0, stream });
    assertRefused(reason, 400, "temperature");
  }
  assert.equal((await server.post(TEXT, { prompt: ["{{a}}", "{{b}}"], temperature: 0 })).status, 200);
});

test("behaviours 14 and 15: stop texts and logit biases", async (t) => {
  const { server } = await runTiny(t);
  const cases: [object, string][] = [
    [{ stop: "" }, "stop"],
    [{ stop: [[]] }, "stop[0]"],
    [{ stop: [""] }, "stop[0]"],
    [{ stop: ["a", ""] }, "stop[1]"],
    [{ stop: ["a", 3] }, "stop[1]"],
    [{ stop: {} }, "stop"],
    [{ stop: ["a", "b", "c", "d", "e"] }, "stop"],
    [{ stop: 3 }, "stop"],
    [{ logit_bias: { hello: 1 } }, "logit_bias"],
    [{ logit_bias: { "259": 1 } }, "logit_bias"],
    [{ logit_bias: { "-1": 1 } }, "logit_bias"],
    [{ logit_bias: { "5": 101 } }, "logit_bias.5"],
    [{ logit_bias: { "1.5": 1 } }, "logit_bias"],
    [{ logit_bias: { "": 1 } }, "logit_bias"],
    [{ logit_bias: { " 5": 1 } }, "logit_bias"],
    [{ logit_bias: { "99999999999999999999": 1 } }, "logit_bias"],
    [{ logit_bias: { "5": "1" } }, "logit_bias.5"],
    [{ logit_bias: { "5": null } }, "logit_bias.5"],
    [{ logit_bias: "5" }, "logit_bias"],
    [{ logit_bias: [1] }, "logit_bias"],
  ];
  await refuseAll(server, CHAT, HELLO, cases);
  await refuseAll(server, TEXT, { prompt: "x" }, cases);
});

test("behaviour 16: an unknown field is ignored by OpenAI's routes and refused by /v1/reason", async (t) => {
  const { server } = await runTiny(t);
  const chat = await server.post(CHAT, {
    ...HELLO,
    user: "me",
    flavour: { deep: [1] },
    stop: null,
    seed: null,
  });
  assert.equal(chat.status, 200);
  assert.equal(chat.body.choices[0].message.content, "hi");
  const text = await server.post(TEXT, { prompt: "{{hi}}", flavour: { deep: [1] }, samples: 3, question: 7 });
  assert.equal(text.status, 200);
  assert.deepEqual([text.body.choices.length, text.body.choices[0].text], [1, "hi"]);
  const reason = await server.post(REASON, { question: "x", sample: 3 });
  assertRefused(reason, 400, "sample");
});

test("hostile keys and halves of surrogate pairs are 400, never 500", async (t) => {
  const { server } = await runTiny(t);
  for (const body of [
    '{"__proto__":{"a":1},"question":"x"}',
    '{"constructor":{"prototype":{}},"question":"x"}',
    '{"question":"\\ud800"}',
    '{"question":"x","choices":["a","\\udc00"]}',
  ]) {
    assertRefused(await server.post(REASON, body), 400);
  }
  assertRefused(await server.post(TEXT, { prompt: [5, 259] }), 400, "prompt");
  assertRefused(await server.post(TEXT, { prompt: [5, "a"] }), 400);
  const nul = await server.post(REASON, { question: "\u0000 {{x}}", max_tokens: 2 });
  assert.equal(nul.status, 200);
});

test("unknown paths are 404, wrong methods 405 with Allow", async (t) => {
  const { server } = await runTiny(t);
  assertRefused(await server.get("/v1/nothing"), 404);
  const answer = await server.get(REASON);
  assertRefused(answer, 405);
  assert.equal(answer.headers.get("allow"), "POST");
  assertRefused(await server.get("/v1/models/%ff"), 400);
});

test("what is not HTTP is answered in the error shape too", async (t) => {
  const { server } = await runTiny(t);
  const exchange = async (bytes: string) => {
    const socket = connect(server.port, "127.0.0.1");
    socket.write(bytes);
    return text(socket);
  };
  assert.match(await exchange("BLAH\r\n\r\n"), /^HTTP\/1\.1 400 [\s\S]*x-request-id[\s\S]*"error"/);
  const huge = `GET / HTTP/1.1\r\nhost: x\r\nx: ${"y".repeat(100_000)}\r\n\r\n`;
  assert.match(await exchange(huge), /^HTTP\/1\.1 431 /);
  const bad =
    "POST /v1/reason HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: abc\r\n\r\n{}";
  assert.match(await exchange(bad), /^HTTP\/1\.1 400 /);
});

test("a client's request id comes back when it is harmless", async (t) => {
  const { server } = await runTiny(t);
  const withId = (id: string) => fetch(`${server.url}/health`, { headers: { "x-request-id": id } });
  assert.equal((await withId("abc-1")).headers.get("x-request-id"), "abc-1");
  assert.notEqual((await withId("a b<script>")).headers.get("x-request-id"), "a b<script>");
});

test("a failure inside is 500 with an id for the log, and no word of the inside", async (t) => {
  const tiny = tinyStudent();
  const server = await runApp(t, {
    ...tiny,
    chatTemplate: {
      source: null,
      render() {
        throw new Error("cannot read /secret/template.ts");
      },
    },
  });
  const answer = await server.post(CHAT, HELLO);
  assertRefused(answer, 500);
  assert.equal(answer.body.error.code, "internal_error");
  assert.doesNotMatch(JSON.stringify(answer.body), /secret/);
  assert.equal(await server.metric('magdi_request_failures_total{reason="internal"}'), 1);
  assert.equal(server.app.lifecycle.active, 0);
});
