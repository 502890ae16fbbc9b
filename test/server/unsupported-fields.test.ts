// What would change the answer and is not implemented is refused by name, over real sockets.
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  unsupportedChatFields,
  unsupportedFields,
  unsupportedMessageFields,
  unsupportedTextFields,
} from "../../src/server/openai/unsupported-fields.ts";
import { bodyOf, CHAT, chat, TEXT, whole } from "./support/openai-shapes.ts";
import { runTiny } from "./support/running-app.ts";

const schema = { type: "object", properties: { a: { type: "integer" } } };

/** By name: values without effect, and values that would change the answer. */
const BOTH: Readonly<Record<string, readonly [readonly unknown[], readonly unknown[]]>> = {
  repetition_penalty: [
    [1, null],
    [1.1, 0, "1"],
  ],
  repeat_penalty: [[1], [1.3]],
  no_repeat_ngram_size: [[0], [3]],
  typical_p: [[1], [0.9]],
  top_a: [[0], [0.2]],
  mirostat: [[0], [2]],
  use_beam_search: [[false, null], [true]],
  length_penalty: [[1], [0.8]],
  early_stopping: [[false], [true]],
  stop_token_ids: [
    [[], null],
    [[2], [0, 1], 2],
  ],
  bad_words: [[[]], [["no"]]],
  allowed_token_ids: [[null], [[97]]],
  logits_processors: [[[]], [["x"]]],
  guided_json: [[null], [schema, {}, "{}"]],
  guided_regex: [[null], ["[0-9]+"]],
  guided_choice: [[null], [["a", "b"]]],
  guided_grammar: [[null], ["root ::= 'a'"]],
  guided_whitespace_pattern: [[null], [" "]],
  guided_decoding_backend: [[null], ["xgrammar"]],
  structured_outputs: [[{}, null], [{ choice: ["a"] }]],
  grammar: [["", null], ["root ::= 'a'"]],
  json_schema: [[null], [schema]],
  response_format: [
    [{ type: "text" }, null],
    [{ type: "json_schema", json_schema: { name: "x", schema } }, { type: "json_object" }, "json"],
  ],
  include_stop_str_in_output: [[false], [true]],
  skip_special_tokens: [[true], [false]],
  prompt_logprobs: [
    [null, false],
    [1, 0, true],
  ],
  truncate_prompt_tokens: [[null], [10]],
  presence_penalty: [[0], [1]],
};

const CHAT_ONLY: typeof BOTH = {
  continue_final_message: [[false, null], [true]],
  add_generation_prompt: [[true], [false]],
  echo: [[false, null], [true]],
  best_of: [[1, null], [2]],
  chat_template: [[null], ["{{ messages }}", ""]],
  chat_template_kwargs: [[{}, null], [{ enable_thinking: false }]],
  reasoning_effort: [[null], ["low", "none"]],
  reasoning: [[null], [{ effort: "low" }]],
  enable_thinking: [[null], [true, false]],
  verbosity: [["medium", null], ["low"]],
  prediction: [[null], [{ type: "content", content: "a" }]],
  documents: [[[]], [[{ text: "a" }]]],
  tools: [[[]], [[{ type: "function", function: { name: "f" } }]]],
  tool_choice: [["none", "auto"], ["required"]],
  functions: [[[]], [[{ name: "f" }]]],
  modalities: [[["text"]], [["text", "audio"]]],
  audio: [[null], [{ voice: "ash", format: "mp3" }]],
  web_search_options: [[null], [{}]],
};

const TEXT_ONLY: typeof BOTH = {
  echo: [[false], [true]],
  suffix: [[""], ["end"]],
  best_of: [[1], [2]],
};

for (const [path, cases] of [
  [CHAT, { ...BOTH, ...CHAT_ONLY }],
  [TEXT, { ...BOTH, ...TEXT_ONLY }],
] as const) {
  test(`what would change the answer and is not implemented is refused by name (${path})`, async (t) => {
    const { server } = await runTiny(t);
    for (const [name, [neutral, refused]] of Object.entries(cases)) {
      for (const value of neutral) await whole(server, path, bodyOf(path, "{{a}}", { [name]: value }));
      for (const value of refused) {
        for (const stream of [false, true]) {
          const body = bodyOf(path, "{{a}}", { [name]: value, stream });
          const answer = await server.post(path, body);
          assert.equal(answer.status, 400, `${name} ${JSON.stringify(value)}`);
          assert.equal(answer.body.error.param, name);
          assert.match(answer.body.error.message, new RegExp(`^${name}: `));
        }
      }
    }
  });
}

test("every field that is listed as unsupported is refused by name", async (t) => {
  const { server } = await runTiny(t);
  for (const [path, names] of [
    [CHAT, [...Object.keys(unsupportedFields), ...Object.keys(unsupportedChatFields)]],
    [TEXT, [...Object.keys(unsupportedFields), ...Object.keys(unsupportedTextFields)]],
  ] as const) {
    for (const name of names) {
      const answer = await server.post(path, bodyOf(path, "{{a}}", { [name]: "something else" }));
      assert.equal(answer.status, 400, name);
      assert.equal(answer.body.error.param, name);
    }
  }
  for (const name of Object.keys(unsupportedMessageFields)) {
    const messages = [{ role: "user", content: "{{a}}", [name]: "something else" }];
    const answer = await server.post(CHAT, { messages });
    assert.equal(answer.status, 400, name);
    assert.equal(answer.body.error.param, `messages[0].${name}`);
  }
});

test("what does not change the answer is accepted", async (t) => {
  const { server } = await runTiny(t);
  const harmless = {
    ...{ user: "me", safety_identifier: "me", prompt_cache_key: "k", prompt_cache_retention: "24h" },
    ...{ parallel_tool_calls: true, request_id: "r", priority: 1, cache_salt: "s", cache_prompt: true },
  };
  for (const path of [CHAT, TEXT]) await whole(server, path, bodyOf(path, "{{a}}", harmless));
  const own = { metadata: { run: "7" }, store: false, service_tier: "auto" };
  await whole(server, CHAT, chat("{{a}}", own));
  const messages = [
    { role: "user", content: "x", name: "Ann" },
    { role: "assistant", content: "y", refusal: null, tool_calls: [], annotations: [] },
    { role: "user", content: "{{a}}" },
  ];
  await whole(server, CHAT, { messages });
});

test("an assistant's earlier turn may have null for content", async (t) => {
  const { server } = await runTiny(t);
  const turns = (content: string | null) => [
    { role: "user", content: "x" },
    { role: "assistant", content, refusal: null },
    { role: "user", content: "{{a}}" },
  ];
  const answer = await whole(server, CHAT, { messages: turns(null) });
  assert.equal(answer.choices[0].message.content, "a");
  const tokens = async (content: string | null) =>
    (await server.post("/v1/tokenize", { messages: turns(content) })).body.tokens;
  assert.deepEqual(await tokens(null), await tokens(""));
  for (const role of ["user", "system", "developer"]) {
    const refused = await server.post(CHAT, { messages: [{ role, content: null }] });
    assert.equal(refused.status, 400);
    assert.equal(refused.body.error.param, "messages[0].content");
  }
});

test("an empty list of stop texts is none", async (t) => {
  const { server } = await runTiny(t);
  for (const path of [CHAT, TEXT]) {
    const answer = await whole(server, path, bodyOf(path, "{{abc}}", { stop: [] }));
    assert.equal(answer.choices[0].finish_reason, "stop");
    assert.equal(answer.choices[0].text ?? answer.choices[0].message.content, "abc");
  }
});
