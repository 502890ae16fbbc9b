// POST /v1/tokenize and /v1/detokenize over real sockets.
import assert from "node:assert/strict";
import { test } from "node:test";
import { detokenizeResponse, tokenizeResponse } from "../../src/server/openai/tokenize-schema.ts";
import type { ServedStudent } from "../../src/server/served-student.ts";
import { assertShape } from "./support/openai-shapes.ts";
import { type Json, type RunningApp, runApp, runTiny } from "./support/running-app.ts";
import { END_OF_TEXT, IM_END, IM_START } from "./support/scripted-runner.ts";
import { tinyStudent } from "./support/tiny-student.ts";

const TOKENIZE = "/v1/tokenize";
const DETOKENIZE = "/v1/detokenize";
const HELLO = { messages: [{ role: "user", content: "hi" }] };

async function tokens(server: RunningApp, body: object): Promise<Json> {
  const answer = await server.post(TOKENIZE, body);
  assert.equal(answer.status, 200, JSON.stringify(answer.body));
  assertShape(tokenizeResponse, answer.body);
  assert.equal(answer.body.count, answer.body.tokens.length);
  assert.equal(answer.body.max_model_len, 512);
  return answer.body;
}

async function text(server: RunningApp, ids: readonly number[]): Promise<string> {
  const answer = await server.post(DETOKENIZE, { tokens: ids });
  assert.equal(answer.status, 200, JSON.stringify(answer.body));
  assertShape(detokenizeResponse, answer.body);
  return answer.body.prompt;
}

test("a text's tokens, and their texts where they are asked for", async (t) => {
  const { server } = await runTiny(t);
  const plain = await tokens(server, { prompt: "aü", model: "tiny" });
  assert.deepEqual(plain.tokens, [97, 0xc3, 0xbc]);
  assert.equal(plain.token_strs, null);
  const shown = await tokens(server, { prompt: "aü<|im_end|>", return_token_strs: true });
  assert.deepEqual(shown.tokens, [97, 0xc3, 0xbc, IM_END]);
  assert.deepEqual(shown.token_strs, ["a", "\\xc3", "\\xbc", "<|im_end|>"]);
  assert.deepEqual((await tokens(server, { content: "aü" })).tokens, plain.tokens);
  assert.deepEqual((await tokens(server, { prompt: "" })).tokens, []);
});

test("a conversation's tokens are those that a chat is answered from", async (t) => {
  const { server } = await runTiny(t);
  const asked = await tokens(server, HELLO);
  assert.equal(await text(server, asked.tokens), "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n");
  const chat = await server.post("/v1/chat/completions", { ...HELLO, max_tokens: 1 });
  assert.equal(chat.body.usage.prompt_tokens, asked.count);
  const closed = await tokens(server, { ...HELLO, add_generation_prompt: false });
  assert.equal(await text(server, closed.tokens), "<|im_start|>user\nhi<|im_end|>\n");
  const parts = { messages: [{ role: "developer", content: [{ type: "text", text: "hi" }] }] };
  assert.match(
    await text(server, (await tokens(server, parts)).tokens),
    /^<\|im_start\|>system\nhi<\|im_end\|>/,
  );
});

test("the tokenizer's own tokens are added as each of the three kinds has it, or as told", async (t) => {
  const tiny = tinyStudent();
  const { tokenizer } = tiny;
  const student: ServedStudent = {
    ...tiny,
    tokenizer: {
      ...tokenizer,
      encode: (given, options) =>
        Int32Array.from([
          ...(options.addSpecialTokens ? [END_OF_TEXT] : []),
          ...tokenizer.encode(given, options),
        ]),
    },
  };
  const server = await runApp(t, student);
  const first = async (body: object) => (await tokens(server, body)).tokens[0];
  assert.equal(await first({ prompt: "a" }), END_OF_TEXT);
  assert.equal(await first({ prompt: "a", add_special_tokens: false }), 97);
  assert.equal(await first({ content: "a" }), 97);
  assert.equal(await first({ content: "a", add_special: true }), END_OF_TEXT);
  assert.equal(await first(HELLO), IM_START);
  assert.equal(await first({ ...HELLO, add_special_tokens: true }), END_OF_TEXT);
});

test("detokenising gives back what was tokenised, special tokens and all", async (t) => {
  const { server } = await runTiny(t);
  for (const prompt of ["", "plain", "Grüße 🙂 日本.", " two  spaces\n", "a<|im_start|>b<|endoftext|>"]) {
    assert.equal(await text(server, (await tokens(server, { prompt })).tokens), prompt);
  }
  assert.equal(await text(server, [0xf0, 0x9f, 97]), "\ufffda");
});

test("what is answered is bounded, special tokens and spelled-out texts too", async (t) => {
  const { server } = await runTiny(t, { config: { bodyLimitBytes: 2 ** 21 } });
  const many = "<|im_end|>".repeat(83_000);
  for (const [path, body] of [
    [TOKENIZE, { prompt: many }],
    [TOKENIZE, { content: many, return_token_strs: true }],
    [TOKENIZE, { prompt: "<|im_end|> ".repeat(83_000) }],
    [TOKENIZE, { prompt: "<|im_end|>".repeat(5000) }],
    ["/v1/completions", { prompt: many }],
  ] as const) {
    const answer = await server.post(path, body);
    assert.equal(answer.status, 400);
    assert.equal(answer.body.error.code, "context_length_exceeded");
    assert.equal(answer.body.error.context_length, 512);
    assert.ok(answer.body.error.prompt_tokens > 512);
  }
  // Each of these characters is three bytes, and each byte a token.
  const wide = await server.post(TOKENIZE, { prompt: "\u65e5".repeat(30_000) });
  assert.deepEqual([wide.status, wide.body.error.prompt_tokens], [400, 90_000]);
  // A short text is counted to the end, as any is.
  const { count } = await tokens(server, { prompt: "<|im_end|>".repeat(3000) });
  assert.equal(count, 3000);
  const most = await server.post(DETOKENIZE, { tokens: new Array(32_768).fill(97) });
  assert.equal(most.body.prompt.length, 32_768);
  const more = await server.post(DETOKENIZE, { tokens: new Array(32_769).fill(97) });
  assert.deepEqual([more.status, more.body.error.param], [400, "tokens"]);
  assert.match(more.body.error.message, /at most 32768 token ids, found 32769/);
});

test("what is no text and no token is named", async (t) => {
  const { server } = await runTiny(t);
  const cases: [string, object, string, RegExp][] = [
    [TOKENIZE, {}, "prompt", /one of prompt, content and messages, found none/],
    [TOKENIZE, { prompt: null }, "prompt", /found none/],
    [TOKENIZE, { prompt: "a", messages: HELLO.messages }, "messages", /found prompt and messages/],
    [TOKENIZE, { prompt: "a", content: "b" }, "content", /found prompt and content/],
    [TOKENIZE, { prompt: 5 }, "prompt", /expected a text, found 5/],
    [TOKENIZE, { prompt: ["a"] }, "prompt", /expected a text/],
    [TOKENIZE, { prompt: "\ud800" }, "prompt", /surrogate/],
    [TOKENIZE, { messages: [] }, "messages", /at least one message/],
    [TOKENIZE, { messages: [{ role: "tool", content: "x" }] }, "messages[0].role", /one of/],
    [TOKENIZE, { prompt: "a", add_special_tokens: 1 }, "add_special_tokens", /true or false/],
    [TOKENIZE, { prompt: "a", return_token_strs: "yes" }, "return_token_strs", /true or false/],
    [TOKENIZE, { content: "a", with_pieces: true }, "with_pieces", /not supported/],
    [DETOKENIZE, {}, "tokens", /required/],
    [DETOKENIZE, { tokens: null }, "tokens", /expected a list of token ids/],
    [DETOKENIZE, { tokens: "12" }, "tokens", /expected a list of token ids/],
    [DETOKENIZE, { tokens: [1, "a"] }, "tokens[1]", /expected a token id/],
    [DETOKENIZE, { tokens: [-1] }, "tokens[0]", /expected a token id/],
    [DETOKENIZE, { tokens: [0.5] }, "tokens[0]", /expected a token id/],
    [DETOKENIZE, { tokens: [1, 259] }, "tokens", /tokens\[1\]: expected token ids below 259, found 259/],
    [DETOKENIZE, { tokens: [2 ** 31] }, "tokens[0]", /expected a token id/],
  ];
  for (const [path, body, param, message] of cases) {
    const answer = await server.post(path, body);
    assert.equal(answer.status, 400, JSON.stringify(body));
    assert.equal(answer.body.error.param, param, answer.body.error.message);
    assert.match(answer.body.error.message, message);
  }
  for (const [path, body] of [
    [TOKENIZE, { prompt: "a", model: "other" }],
    [DETOKENIZE, { tokens: [97], model: "other" }],
  ] as const) {
    const answer = await server.post(path, body);
    assert.equal(answer.status, 404);
    assert.equal(answer.body.error.code, "model_not_found");
  }
});

test("nothing is tokenised before the student is there", async (t) => {
  const server = await runApp(t, new Promise<ServedStudent>(() => {}));
  for (const [path, body] of [
    [TOKENIZE, { prompt: "a" }],
    [DETOKENIZE, { tokens: [97] }],
  ] as const) {
    const answer = await server.post(path, body);
    assert.equal(answer.status, 503);
    assert.equal(answer.body.error.code, "model_loading");
  }
});
