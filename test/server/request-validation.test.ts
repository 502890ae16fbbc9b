// What the server refuses, and how the refusal names the field: over real sockets.
import assert from "node:assert/strict";
import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { type Answer, type RunningApp, runApp, runTiny } from "./support/running-app.ts";
import { tinyStudent } from "./support/tiny-student.ts";

const CHAT = "/v1/chat/completions";
const TEXT = "/v1/completions";
const REASON = "/v1/reason";
const HELLO = { messages: [{ role: "user", content: "hello {{hi}}" }] };

function assertRefused({ status, body, headers }: Answer, expectedStatus: number, param?: string | null) {
  assert.equal(status, expectedStatus, JSON.stringify(body));
  assert.ok(headers.get("x-request-id"));
  assert.deepEqual(
    ["message", "type", "param", "code"].every((key) => key in body.error),
    true,
  );
  if (param !== undefined) assert.equal(body.error.param, param, body.error.message);
  assert.ok(JSON.stringify(body).length < 32_768);
  assert.doesNotMatch(JSON.stringify(body), /node_modules|\.ts:|at \w+ \(/);
}

/** Each case: a body's fields, and the param that the refusal names. */
async function refuseAll(
  server: RunningApp,
  path: string,
  base: object,
  cases: readonly [object, string | null][],
) {
  for (const [fields, param] of cases) {
    assertRefused(await server.post(path, { ...base, ...fields }), 400, param);
  }
}

test("behaviours 1 and 2: a body that is not JSON, or not an object", async (t) => {
  const { server } = await runTiny(t);
  for (const body of [
    "{",
    "",
    "not json",
    "[1,2]",
    "null",
    "3",
    '"text"',
    "{'a':1}",
    '{"temperature":NaN}',
  ]) {
    for (const path of [CHAT, TEXT, REASON]) assertRefused(await server.post(path, body), 400, null);
  }
});

test("behaviour 3: another content type is 415", async (t) => {
  const { server } = await runTiny(t);
  for (const type of ["text/plain", "application/x-www-form-urlencoded", "application/xml"]) {
    const answer = await server.post(CHAT, JSON.stringify(HELLO), { headers: { "content-type": type } });
    assertRefused(answer, 415);
    assert.match(answer.body.error.message, /application\/json/);
  }
});

test("behaviours 4 and 5: missing and wrong-typed fields are named", async (t) => {
  const { server } = await runTiny(t);
  await refuseAll(server, CHAT, {}, [
    [{}, "messages"],
    [{ messages: null }, "messages"],
    [{ messages: "hello" }, "messages"],
    [{ messages: [123] }, "messages[0]"],
    [{ messages: [{}] }, "messages[0].role"],
    [{ messages: [{ role: 123, content: "x" }] }, "messages[0].role"],
    [{ messages: [{ role: "robot", content: "x" }] }, "messages[0].role"],
    [{ messages: [{ role: "user" }] }, "messages[0].content"],
    [{ messages: [{ role: "user", content: [{ type: "image_url" }] }] }, "messages[0].content[0].type"],
  ]);
  await refuseAll(server, REASON, {}, [
    [{}, "question"],
    [{ question: 3 }, "question"],
    [{ question: "x", choices: "A" }, "choices"],
    [{ question: "x", task: "poem" }, "task"],
    [{ question: "x", choices: ["a", 2] }, "choices[1]"],
    [
      {
        question: "x",
        choices: [
          { label: "A", text: "a" },
          { label: "a", text: "b" },
        ],
      },
      "choices",
    ],
    [{ question: "x", vote: "loudest" }, "vote"],
    [{ question: "x", baseline: "none such" }, "baseline"],
  ]);
});

test("behaviour 6: an empty prompt", async (t) => {
  const { server } = await runTiny(t);
  assertRefused(await server.post(CHAT, { messages: [] }), 400, "messages");
  assertRefused(await server.post(TEXT, { prompt: "" }), 400, "prompt");
  assertRefused(await server.post(TEXT, { prompt: [] }), 400, "prompt");
  assertRefused(await server.post(TEXT, {}), 400, "prompt");
  assertRefused(await server.post(REASON, { question: " \n" }), 400, "question");
});

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
  assertRefused(
    await server.post(CHAT, `{"messages":[{"role":"user","content":"x"}],"temperature":1e999}`),
    400,
    "temperature",
  );
});

test("behaviour 12: too few or too many samples, naming the cap", async (t) => {
  const { server } = await runTiny(t, { config: { maxSamples: 4 } });
  for (const count of [0, 5, 1.5, -1]) {
    assertRefused(await server.post(REASON, { question: "x", samples: count }), 400, "samples");
    const answer = await server.post(CHAT, { ...HELLO, n: count });
    assertRefused(answer, 400, "n");
    assert.match(answer.body.error.message, /1 to 4/);
  }
});

test("behaviour 13: several samples with temperature 0", async (t) => {
  const { server } = await runTiny(t);
  assertRefused(await server.post(CHAT, { ...HELLO, n: 2, temperature: 0 }), 400, "n");
  assertRefused(await server.post(TEXT, { prompt: "x", n: 2, temperature: 0 }), 400, "n");
  assertRefused(await server.post(REASON, { question: "x", samples: 2, temperature: 0 }), 400, "temperature");
});

test("behaviours 14 and 15: stop texts and logit biases", async (t) => {
  const { server } = await runTiny(t);
  const cases: [object, string][] = [
    [{ stop: "" }, "stop"],
    [{ stop: [] }, "stop"],
    [{ stop: ["a", "b", "c", "d", "e"] }, "stop"],
    [{ stop: 3 }, "stop"],
    [{ logit_bias: { hello: 1 } }, "logit_bias"],
    [{ logit_bias: { "259": 1 } }, "logit_bias"],
    [{ logit_bias: { "-1": 1 } }, "logit_bias"],
    [{ logit_bias: { "5": 101 } }, "logit_bias.5"],
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
  const reason = await server.post(REASON, { question: "x", sample: 3 });
  assertRefused(reason, 400, "sample");
});

test("behaviour 20: a body over the limit is 413", async (t) => {
  const { server } = await runTiny(t, { config: { bodyLimitBytes: 1024 } });
  assertRefused(await server.post(REASON, { question: "x".repeat(2000) }), 413);
});

test("behaviour 21: thousands of validation errors give a bounded body", async (t) => {
  const { server } = await runTiny(t);
  const many = [
    { messages: Array(1000).fill(0) },
    { messages: Array(200_000).fill(0) },
    { messages: [{ role: "user", content: Array(40_000).fill(7) }] },
    Object.fromEntries(Array.from({ length: 5000 }, (_, index) => [`field${index}`, "x".repeat(50)])),
    { ["k".repeat(500_000)]: 1 },
  ];
  for (const body of many) {
    assertRefused(await server.post(CHAT, body), 400);
    assertRefused(await server.post(REASON, body), 400);
  }
  assertRefused(await server.post(CHAT, `${"[".repeat(100_000)}${"]".repeat(100_000)}`), 400);
  assertRefused(await server.post(CHAT, `{"messages":${"[".repeat(100_000)}${"]".repeat(100_000)}}`), 400);
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
  assert.equal(server.app.admission.active, 0);
});
