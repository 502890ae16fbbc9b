// Bodies that are no requests: not JSON, no object, too large, fields missing or of the wrong type, over real sockets.
import assert from "node:assert/strict";
import { test } from "node:test";
import { bodyOf, CHAT, INFERENCE, REASON, TEXT } from "./support/openai-shapes.ts";
import { assertRefused, refuseAll } from "./support/refusals.ts";
import { runTiny } from "./support/running-app.ts";

const POST_ROUTES = [...INFERENCE, "/v1/tokenize", "/v1/detokenize"];

test("behaviour 1: a body that is not JSON is 400 on every route", async (t) => {
  const { server } = await runTiny(t);
  const bodies = [
    "{",
    "",
    " ",
    "not json",
    "{'a':1}",
    '{"a":1,}',
    '{"a":1} x',
    '{"temperature":NaN}',
    "\ufeff{}x",
  ];
  for (const path of POST_ROUTES) {
    for (const body of bodies) assertRefused(await server.post(path, body), 400, null);
    const halves = Buffer.from('{"question":"\xff\xfe"', "latin1");
    assertRefused(await server.post(path, "", { body: halves }), 400, null);
  }
});

test("behaviour 1: a body that is not UTF-8 is 400 on every route, and what is UTF-8 arrives as it was", async (t) => {
  const { server } = await runTiny(t);
  const send = (path: string, body: Buffer) => server.post(path, "", { body });
  for (const path of POST_ROUTES) {
    for (const wrong of ["\xff", "\xc3", "\xed\xa0\x80", "\xc0\xaf", "\xf5\x80\x80\x80"]) {
      const answer = await send(path, Buffer.from(`{"model":"${wrong}"}`, "latin1"));
      assertRefused(answer, 400, null);
      assert.match(answer.body.error.message, /not UTF-8/);
    }
  }
  for (const text of ["\ufffd", "a\u0000b", "日本 🙂", "\ufeff"]) {
    const { body } = await send("/v1/tokenize", Buffer.from(`\ufeff${JSON.stringify({ prompt: text })}`));
    assert.deepEqual(body.tokens, [...Buffer.from(text)]);
  }
});

test("behaviour 2: a body that is no object is 400 on every route", async (t) => {
  const { server } = await runTiny(t);
  for (const path of POST_ROUTES) {
    for (const body of ["[1,2]", "[]", "null", "3", "true", '"text"', '[{"question":"x"}]']) {
      const answer = await server.post(path, body);
      assertRefused(answer, 400, null);
      assert.match(answer.body.error.message, /expected a JSON object/);
    }
  }
});

test("behaviour 3: another content type is 415 on every route", async (t) => {
  const { server } = await runTiny(t);
  const types = [
    "text/plain",
    "application/x-www-form-urlencoded",
    "application/xml",
    "multipart/form-data; boundary=x",
    "application/jsonp",
    "json",
    "",
  ];
  for (const path of INFERENCE) {
    const body = JSON.stringify(bodyOf(path, "{{hi}}"));
    for (const type of types) {
      const answer = await server.post(path, body, { headers: { "content-type": type } });
      assertRefused(answer, 415, null);
      assert.match(answer.body.error.message, /application\/json/);
    }
    // Bytes without any content type.
    assertRefused(await server.post(path, "", { body: Buffer.from(body), headers: {} }), 415, null);
    for (const type of [
      "application/json",
      "application/json; charset=utf-8",
      "Application/JSON;charset=UTF-8",
    ]) {
      const answer = await server.post(path, body, { headers: { "content-type": type } });
      assert.equal(answer.status, 200, type);
    }
  }
});

test("behaviours 4 and 5: what is missing or of the wrong type is named on /v1/chat/completions", async (t) => {
  const { server } = await runTiny(t);
  const user = { role: "user", content: "x" };
  await refuseAll(server, CHAT, {}, [
    [{}, "messages"],
    [{ messages: null }, "messages"],
    [{ messages: "hello" }, "messages"],
    [{ messages: 123 }, "messages"],
    [{ messages: {} }, "messages"],
    [{ messages: [123] }, "messages[0]"],
    [{ messages: [null] }, "messages[0]"],
    [{ messages: ["hello"] }, "messages[0]"],
    [{ messages: [[]] }, "messages[0]"],
    [{ messages: [{}] }, "messages[0].role"],
    [{ messages: [user, {}] }, "messages[1].role"],
    [{ messages: [{ role: 123, content: "x" }] }, "messages[0].role"],
    [{ messages: [{ role: "robot", content: "x" }] }, "messages[0].role"],
    [{ messages: [{ role: "user" }] }, "messages[0].content"],
    [{ messages: [{ role: "user", content: 123 }] }, "messages[0].content"],
    [{ messages: [{ role: "user", content: [{ type: "image_url" }] }] }, "messages[0].content[0].type"],
  ]);
});

test("behaviours 4 and 5: what is missing or of the wrong type is named on /v1/completions", async (t) => {
  const { server } = await runTiny(t);
  await refuseAll(server, TEXT, {}, [
    [{}, "prompt"],
    [{ prompt: null }, "prompt"],
    [{ prompt: 123 }, "prompt"],
    [{ prompt: true }, "prompt"],
    [{ prompt: {} }, "prompt"],
    [{ prompt: [{}] }, "prompt[0]"],
    [{ prompt: [null] }, "prompt[0]"],
    [{ prompt: [true] }, "prompt[0]"],
    [{ prompt: ["a", null] }, "prompt[1]"],
    [{ prompt: [[1], [null]] }, "prompt[1][0]"],
    [{ prompt: [[1], "a"] }, "prompt[1]"],
    [{ messages: [{ role: "user", content: "x" }] }, "prompt"],
  ]);
});

test("behaviours 4 and 5: what is missing or of the wrong type is named on /v1/reason", async (t) => {
  const { server } = await runTiny(t);
  const [a, b] = [
    { label: "A", text: "a" },
    { label: "a", text: "b" },
  ];
  await refuseAll(server, REASON, {}, [
    [{}, "question"],
    [{ question: null }, "question"],
    [{ question: 3 }, "question"],
    [{ question: ["x"] }, "question"],
    [{ question: {} }, "question"],
    [{ messages: [{ role: "user", content: "x" }] }, "question"],
  ]);
  await refuseAll(server, REASON, { question: "x" }, [
    [{ choices: "A" }, "choices"],
    [{ choices: ["a", 2] }, "choices[1]"],
    [{ choices: ["a"] }, "choices"],
    [{ choices: Array(27).fill("a") }, "choices"],
    [{ choices: [a, b] }, "choices"],
    [{ choices: [a, { label: "B" }] }, "choices[1].text"],
    [{ choices: [a, { label: "B", text: "b", note: 1 }] }, "choices[1].note"],
    [{ task: "poem" }, "task"],
    [{ passage: 1 }, "passage"],
    [{ vote: "loudest" }, "vote"],
    [{ early_stop: true }, "early_stop"],
    [{ wave: 0 }, "wave"],
    [{ return_samples: "yes" }, "return_samples"],
    [{ baseline: "none such" }, "baseline"],
    [{ baseline: 3 }, "baseline"],
    [{ model: 3 }, "model"],
  ]);
});

test("behaviour 6: an empty prompt", async (t) => {
  const { server } = await runTiny(t);
  await refuseAll(server, CHAT, {}, [[{ messages: [] }, "messages"]]);
  await refuseAll(server, TEXT, {}, [
    [{ prompt: "" }, "prompt"],
    [{ prompt: [] }, "prompt"],
    [{ prompt: [""] }, "prompt[0]"],
    [{ prompt: ["a", ""] }, "prompt[1]"],
    [{ prompt: [[]] }, "prompt[0]"],
  ]);
  await refuseAll(server, REASON, {}, [
    [{ question: "" }, "question"],
    [{ question: " \n" }, "question"],
  ]);
});

test("behaviour 20: a body over the limit is 413 on every route", async (t) => {
  const { server } = await runTiny(t, { config: { bodyLimitBytes: 1024 } });
  for (const path of INFERENCE) {
    assertRefused(await server.post(path, bodyOf(path, "x".repeat(2000))), 413, null);
    assert.equal((await server.post(path, bodyOf(path, "{{x}}"))).status, 200);
  }
});

test("behaviour 21: thousands of validation errors give a bounded body", async (t) => {
  const { server } = await runTiny(t);
  const deep = `${"[".repeat(100_000)}${"]".repeat(100_000)}`;
  const many: (object | string)[] = [
    { messages: Array(1000).fill(0), prompt: Array(1000).fill(false), question: Array(1000).fill(0) },
    { messages: Array(200_000).fill(0), prompt: Array(200_000).fill("") },
    { messages: [{ role: "user", content: Array(40_000).fill(7) }], prompt: Array(40_000).fill([]) },
    Object.fromEntries(Array.from({ length: 5000 }, (_, index) => [`field${index}`, "x".repeat(50)])),
    { ["k".repeat(500_000)]: 1 },
    deep,
    `{"messages":${deep},"prompt":${deep},"question":${deep}}`,
  ];
  for (const path of INFERENCE) {
    for (const body of many) assertRefused(await server.post(path, body), 400);
  }
});

test("a body that is nested too deep is refused by name before it is parsed, on every route", async (t) => {
  const { server } = await runTiny(t);
  const nested = (open: string, close: string, depth: number) =>
    `{"question":"Two?","x":${open.repeat(depth)}1${close.repeat(depth)}}`;
  const bodies = [
    "[".repeat(1_000_000),
    '{"a":'.repeat(150_000),
    nested("[", "]", 400_000),
    nested('{"a":', "}", 100_000),
    nested("[", "]", 65),
    `{"x":"${"[".repeat(100)}\\"","y":${"[".repeat(900_000)}`,
  ];
  for (const path of POST_ROUTES) {
    for (const body of bodies) {
      const answer = await server.post(path, body);
      assertRefused(answer, 400, null);
      assert.match(answer.body.error.message, /^the body is nested deeper than 64 levels$/);
    }
    // What is not too deep, or only brackets of a string, is refused for what it is.
    for (const body of [nested("[", "]", 63), JSON.stringify({ question: "[".repeat(200_000), x: 1 })]) {
      const answer = await server.post(path, body);
      assert.equal(answer.status, 400);
      assert.doesNotMatch(answer.body.error.message, /nested/);
    }
  }
});
