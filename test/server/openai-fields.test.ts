// Every field of OpenAI's two routes, in and out, over real sockets.
import assert from "node:assert/strict";
import { test } from "node:test";
import type OpenAI from "openai";
import type { ChatCompletion, ChatCompletionChunk } from "../../src/server/openai/chat-schema.ts";
import type { TextCompletion, TextCompletionChunk } from "../../src/server/openai/completions-schema.ts";
import {
  bothWays,
  CHAT,
  chat,
  choicesOf,
  streamed,
  streamedText,
  TEXT,
  whole,
} from "./support/openai-shapes.ts";
import { type Json, runTiny } from "./support/running-app.ts";

/** OpenAI's types have no finish reason for what a server ended: there our answers are wider than theirs. What may
 * be left out is never there and undefined. */
type WithoutAbort<T> = T extends "abort"
  ? never
  : T extends object
    ? { [K in keyof T]: WithoutAbort<Exclude<T[K], undefined>> }
    : T;
/** The client's own types accept our answers: this file would not compile otherwise. */
type Accepts<Theirs, Ours extends Theirs> = Ours;
export type AcceptedByTheClient = [
  Accepts<OpenAI.ChatCompletion, WithoutAbort<ChatCompletion>>,
  Accepts<OpenAI.ChatCompletionChunk, WithoutAbort<ChatCompletionChunk>>,
  Accepts<OpenAI.Completion, WithoutAbort<TextCompletion>>,
  Accepts<Omit<OpenAI.Completion, "choices" | "usage">, Omit<TextCompletionChunk, "choices" | "usage">>,
];

const ROUTES = [
  { path: CHAT, ask: chat, logprobs: { logprobs: true, top_logprobs: 2 } },
  { path: TEXT, ask: (prompt: string, fields = {}) => ({ prompt, ...fields }), logprobs: { logprobs: 2 } },
];

for (const { path, ask, logprobs } of ROUTES) {
  test(`${path}: bodies and chunks are what the schemas say, whatever is asked for`, async (t) => {
    const { server } = await runTiny(t);
    for (const fields of [{}, { n: 3 }, logprobs, { n: 2, ...logprobs }, { stop: "b" }, { max_tokens: 2 }]) {
      for (const stream_options of [undefined, null, {}, { include_usage: false }, { include_usage: true }]) {
        const body = ask("{{[ab]bcde}}", { seed: 3, ...fields });
        const answer = await whole(server, path, body);
        const chunks = await streamed(server, path, { ...body, stream_options });
        for (const name of ["id", "created", "model", "system_fingerprint", "seed"]) {
          assert.equal(new Set(chunks.map((chunk) => chunk[name])).size, 1, name);
        }
        assert.equal(chunks[0].seed, 3);
        assert.equal(chunks[0].system_fingerprint, answer.system_fingerprint);
        const last = chunks.at(-1);
        if (stream_options?.include_usage) {
          assert.deepEqual(last.choices, []);
          assert.deepEqual(last.usage, answer.usage);
          assert.ok(chunks.slice(0, -1).every((chunk) => chunk.usage === null && chunk.choices.length === 1));
        } else {
          assert.ok(chunks.every((chunk) => !("usage" in chunk) && chunk.choices.length === 1));
        }
        const { usage } = answer;
        assert.equal(usage.total_tokens, usage.prompt_tokens + usage.completion_tokens);
        assert.ok(usage.prompt_tokens_details.cached_tokens <= usage.prompt_tokens);
      }
    }
  });

  test(`${path}: the finish reason says whether the model or a limit ended the text`, async (t) => {
    const { server } = await runTiny(t, { contextLength: 128 });
    const reasons: [object, string][] = [
      [ask("{{ab}}"), "stop"],
      [ask("{{abcdef}}", { stop: ["d"] }), "stop"],
      [ask("{{abcdef}}", { max_tokens: 3 }), "length"],
      [ask("{{abc*}}", { max_tokens: 10_000 }), "length"],
    ];
    for (const [body, reason] of reasons) {
      assert.equal((await whole(server, path, body)).choices[0].finish_reason, reason);
      const ends = choicesOf(await streamed(server, path, body), 0).map((choice) => choice.finish_reason);
      assert.deepEqual(ends.filter(Boolean), [reason]);
      assert.equal(ends.at(-1), reason);
    }
  });

  test(`${path}: stop is a text or a list of up to four`, async (t) => {
    const { server } = await runTiny(t);
    for (const stop of ["c", ["c"], ["x", "c"], ["d", "c", "y", "z"], ["cd", "c"]]) {
      assert.deepEqual(await bothWays(server, path, ask("{{abcdef}}", { stop })), ["ab"]);
    }
    for (const stop of [null, undefined, "nowhere"]) {
      assert.deepEqual(await bothWays(server, path, ask("{{abc}}", { stop })), ["abc"]);
    }
  });

  test(`${path}: null is the same as a field left out`, async (t) => {
    const { server } = await runTiny(t);
    const names = [
      ...["model", "n", "stream", "stream_options", "temperature", "top_p", "top_k", "min_p", "max_tokens"],
      ...["min_tokens", "ignore_eos", "stop", "logit_bias", "presence_penalty", "frequency_penalty", "user"],
      ...["logprobs", "seed"],
    ];
    const answer = await whole(
      server,
      path,
      ask("{{abc}}", Object.fromEntries(names.map((name) => [name, null]))),
    );
    assert.equal(answer.choices.length, 1);
    assert.equal(answer.choices[0].logprobs, null);
  });

  test(`${path}: what is taken and not used must still be of its type`, async (t) => {
    const { server } = await runTiny(t);
    await whole(server, path, ask("{{a}}", { user: "somebody" }));
    const refused = await server.post(path, ask("{{a}}", { user: 7 }));
    assert.equal(refused.status, 400);
    assert.equal(refused.body.error.param, "user");
  });

  test(`${path}: a streamed token's log-probabilities are the whole answer's`, async (t) => {
    const { server } = await runTiny(t);
    const body = ask("{{[ab]ü🙂[cd]}}", { n: 2, seed: 5, ...logprobs });
    const answer = await whole(server, path, body);
    const chunks = await streamed(server, path, body);
    for (const { index, logprobs: expected } of answer.choices) {
      const parts = choicesOf(chunks, index).flatMap((choice) => choice.logprobs ?? []);
      for (const [name, column] of Object.entries<Json>(expected)) {
        if (column === null) continue;
        assert.deepEqual(
          parts.flatMap((part: Json) => part[name]),
          column,
          name,
        );
      }
    }
  });
}

test("a chat's log-probabilities show halves of characters as escaped bytes", async (t) => {
  const { server } = await runTiny(t);
  const answer = await whole(server, CHAT, chat("{{aü}}", { logprobs: true, top_logprobs: 1 }));
  const { content } = answer.choices[0].logprobs;
  assert.deepEqual(
    content.map(({ token, bytes }: Json) => [token, bytes]),
    [
      ["a", [97]],
      ["\\xc3", [0xc3]],
      ["\\xbc", [0xbc]],
    ],
  );
  assert.equal(Buffer.from(content.flatMap(({ bytes }: Json) => bytes)).toString(), "aü");
  assert.ok(content.every(({ top_logprobs }: Json) => top_logprobs.length === 1));
});

test("a text's log-probabilities hold the chosen token, and offsets count characters", async (t) => {
  const { server } = await runTiny(t);
  const answer = await whole(server, TEXT, { prompt: "{{🙂a[bc]}}", logprobs: 1, seed: 2, n: 4 });
  for (const { text, logprobs } of answer.choices) {
    assert.deepEqual(logprobs.text_offset, [0, 0, 0, 0, 1, 2]);
    assert.deepEqual(
      logprobs.tokens.slice(0, 4),
      ["\\xf0", "\\x9f", "\\x99", "\\x82"].map((b) => `bytes:${b}`),
    );
    assert.equal([...text][2], logprobs.tokens[5]);
    for (const [position, token] of logprobs.tokens.entries()) {
      assert.ok(token in logprobs.top_logprobs[position], token);
      assert.equal(logprobs.top_logprobs[position][token], logprobs.token_logprobs[position]);
    }
  }
  const chosen = answer.choices.map(({ logprobs }: Json) => Object.keys(logprobs.top_logprobs[5]).length);
  assert.ok(chosen.includes(2), "some choice must not be the most likely one");
  const bare = await whole(server, TEXT, { prompt: "{{ab}}", logprobs: 0 });
  assert.deepEqual(bare.choices[0].logprobs.top_logprobs.map(Object.keys), [["a"], ["b"]]);
});

test("max_completion_tokens is the newer name of max_tokens, and wins", async (t) => {
  const { server } = await runTiny(t);
  const both = chat("{{abcdef}}", { max_tokens: 5, max_completion_tokens: 2 });
  assert.equal((await whole(server, CHAT, both)).choices[0].message.content, "ab");
  const older = await whole(server, CHAT, chat("{{abcdef}}", { max_tokens: 3 }));
  assert.equal(older.choices[0].message.content, "abc");
  assert.equal((await whole(server, TEXT, { prompt: `{{${"x".repeat(40)}}}` })).usage.completion_tokens, 16);
});

test("the service tier is answered where it is asked for", async (t) => {
  const { server } = await runTiny(t);
  assert.equal((await whole(server, CHAT, chat("{{a}}", { service_tier: "auto" }))).service_tier, "default");
  assert.ok(!("service_tier" in (await whole(server, CHAT, chat("{{a}}")))));
  const chunks = await streamed(server, CHAT, chat("{{a}}", { service_tier: "flex" }));
  assert.ok(chunks.every((chunk) => chunk.service_tier === "default"));
});

test("what a chat keeps about itself is checked and not used", async (t) => {
  const { server } = await runTiny(t);
  const taken = { metadata: { run: "7" }, store: true, service_tier: "default", parallel_tool_calls: false };
  assert.equal((await whole(server, CHAT, chat("{{a}}", taken))).choices[0].message.content, "a");
  for (const [name, value] of [
    ["metadata", { run: 7 }],
    ["metadata", "x"],
    ["store", "yes"],
    ["service_tier", "first"],
  ] as const) {
    const { status, body } = await server.post(CHAT, chat("{{a}}", { [name]: value }));
    assert.equal(status, 400, name);
    assert.equal(body.error.param.split(".")[0], name);
  }
});

test("what would change the answer and is not implemented is refused by name; its neutral values pass", async (t) => {
  const { server } = await runTiny(t);
  const cases: [string, string, readonly unknown[], readonly unknown[]][] = [
    [CHAT, "tools", [[], null], [[{ type: "function", function: { name: "f" } }], {}]],
    [CHAT, "tool_choice", ["none", "auto"], ["required", { type: "function" }]],
    [CHAT, "functions", [[]], [[{ name: "f" }]]],
    [CHAT, "function_call", ["none", "auto"], [{ name: "f" }]],
    [CHAT, "response_format", [{ type: "text" }], [{ type: "json_object" }, "text"]],
    [CHAT, "modalities", [["text"]], [["text", "audio"], []]],
    [CHAT, "audio", [null], [{ voice: "ash", format: "mp3" }]],
    [CHAT, "web_search_options", [null], [{}]],
    [CHAT, "presence_penalty", [0, null], [0.5, -1]],
    [TEXT, "frequency_penalty", [0, null], [0.5, -1]],
    [TEXT, "echo", [false, null], [true]],
    [TEXT, "suffix", ["", null], ["end"]],
    [TEXT, "best_of", [1, null], [2, 0]],
  ];
  for (const [path, name, neutral, refused] of cases) {
    const body = path === CHAT ? chat("{{a}}") : { prompt: "{{a}}" };
    for (const value of neutral) await whole(server, path, { ...body, [name]: value });
    for (const value of refused) {
      const answer = await server.post(path, { ...body, [name]: value });
      assert.equal(answer.status, 400, `${name} ${JSON.stringify(value)}`);
      assert.equal(answer.body.error.param, name);
    }
  }
  assert.equal((await whole(server, TEXT, { prompt: "{{a}}", n: 2, best_of: 2 })).choices.length, 2);
});

test("roles and content parts are those of a text conversation", async (t) => {
  const { server } = await runTiny(t);
  const part = { type: "text", text: "{{parts}}" };
  const good: [object, string][] = [
    [{ role: "user", content: [part] }, "parts"],
    [
      {
        role: "user",
        content: [
          { type: "text", text: "{{" },
          { type: "text", text: "ab}}" },
        ],
      },
      "ab",
    ],
    [{ role: "developer", content: "{{dev}}" }, "dev"],
    [{ role: "system", content: "{{sys}}" }, "sys"],
    [{ role: "assistant", content: "{{me}}", name: "bot" }, "me"],
    [{ role: "user", content: "{{named}}", name: "Ann" }, "named"],
  ];
  for (const [message, text] of good) {
    const answer = await whole(server, CHAT, { messages: [message], max_tokens: 8 });
    assert.equal(answer.choices[0].message.content, text);
  }
  const bad: [object, string][] = [
    [{ role: "tool", content: "x", tool_call_id: "1" }, "messages[1].role"],
    [{ role: "function", content: "x" }, "messages[1].role"],
    [{ role: "User", content: "x" }, "messages[1].role"],
    [{ role: null, content: "x" }, "messages[1].role"],
    [{ content: "x" }, "messages[1].role"],
    [{ role: "user", content: null }, "messages[1].content"],
    [{ role: "user", content: 5 }, "messages[1].content"],
    [{ role: "user", content: [] }, "messages[1].content"],
    [{ role: "user", content: ["x"] }, "messages[1].content[0]"],
    [
      { role: "user", content: [part, { type: "image_url", image_url: { url: "x" } }] },
      "messages[1].content[1].type",
    ],
    [{ role: "user", content: [{ type: "text" }] }, "messages[1].content[0].text"],
  ];
  for (const [message, param] of bad) {
    const { status, body } = await server.post(CHAT, { messages: [{ role: "user", content: "x" }, message] });
    assert.equal(status, 400, JSON.stringify(message));
    assert.equal(body.error.param, param, JSON.stringify(message));
  }
});

test("a stream says each text's role once, first, and nothing after its end", async (t) => {
  const { server } = await runTiny(t);
  const chunks = await streamed(server, CHAT, chat("{{[ab][ab]}}", { n: 3, seed: 1 }));
  for (const index of [0, 1, 2]) {
    const mine = choicesOf(chunks, index);
    assert.deepEqual(mine[0].delta, { role: "assistant", content: "" });
    assert.ok(mine.slice(1).every(({ delta }) => !("role" in delta)));
    assert.deepEqual(mine.at(-1).delta, {});
    assert.equal(streamedText(chunks, index).length, 2);
  }
});
