// Text from clients is text: what a message says never becomes a control token, and is tokenised as in one piece with
// the template around it.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import type { JsonObject } from "../../src/base/files/json-file.ts";
import { encodeChat, type Message } from "../../src/text/chat-prompt.ts";
import { type ChatTemplate, createChatTemplate, plainChatTemplate } from "../../src/text/chat-template.ts";
import { ggufTokenizerFiles } from "../../src/text/gguf-tokenizer.ts";
import { createTokenizer, openTokenizer, type Tokenizer } from "../../src/text/tokenizer.ts";
import { SeededRandom } from "./seeded-random.ts";
import { readFixture, sentencePieceMetadata, withFolder } from "./tokenizer-fixtures.ts";

const shipped = fileURLToPath(new URL("../../models/smollm2-135m-instruct/", import.meta.url));

interface Family {
  readonly name: string;
  readonly tokenizer: Tokenizer;
  readonly chatTemplate: ChatTemplate;
}

const special = (content: string, id: number, more: JsonObject = {}): JsonObject => ({
  ...{ id, content, special: true, single_word: false, lstrip: false, rstrip: false, normalized: false },
  ...more,
});

/** The byte-level fixture with a family's control tokens. */
async function byteLevel(contents: readonly string[], more: JsonObject = {}): Promise<Tokenizer> {
  const definition = await readFixture<JsonObject>("byte-level/tokenizer.json");
  const { vocab } = definition.model as { vocab: Readonly<Record<string, number>> }; // the fixture's
  const unknown = contents.filter((content) => vocab[content] === undefined);
  const idOf = (content: string) => vocab[content] ?? Object.keys(vocab).length + unknown.indexOf(content);
  const added = contents.map((content) => special(content, idOf(content), more));
  return createTokenizer({ ...definition, added_tokens: added }, {}, "test");
}

async function sentencePiece(): Promise<Tokenizer> {
  return withFolder({ ...ggufTokenizerFiles(await sentencePieceMetadata()) }, openTokenizer);
}

const CHATML =
  "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>' + '\n' }}{% endfor %}" +
  "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

// As Qwen3's: what an assistant thought before is not said again, and contents are tested and stripped.
const QWEN3 = `{%- for message in messages %}
{%- if message.role == "assistant" %}
{%- set content = message.content %}
{%- if '</think>' in content %}{%- set content = content.split('</think>')[-1].lstrip('\\n') %}{%- endif %}
{{- '<|im_start|>assistant\\n' + content.strip('\\n') + '<|im_end|>\\n' }}
{%- else %}
{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' }}
{%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}`;

const LLAMA3 =
  "{% for message in messages %}{% set content = '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n'+ " +
  "message['content'] | trim + '<|eot_id|>' %}{% if loop.index0 == 0 %}{% set content = bos_token + content %}{% endif %}" +
  "{{ content }}{% endfor %}{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}";

const LLAMA2 =
  "{% for message in messages %}{% if message['role'] == 'user' %}{{ bos_token + '[INST] ' + message['content'].strip() + ' [/INST]' }}" +
  "{% elif message['role'] == 'assistant' %}{{ ' ' + message['content'].strip() + ' ' + eos_token }}" +
  "{% else %}{{ '<<SYS>>\n' + message['content'] + '\n<</SYS>>\n\n' }}{% endif %}{% endfor %}";

const MISTRAL =
  "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'assistant' %}{{ message['content'] + eos_token }}" +
  "{% else %}{{ '[INST]' + message['content'] + '[/INST]' }}{% endif %}{% endfor %}";

const PHI3 =
  "{% for m in messages %}{{ '<|' + m['role'] + '|>\n' + m['content'] + '<|end|>\n' }}{% endfor %}" +
  "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}";

const chatml = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"];
const llama3 = ["<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"];
const FAMILIES: readonly Family[] = [
  {
    name: "SmolLM2",
    tokenizer: await openTokenizer(shipped),
    chatTemplate: createChatTemplate(
      await readFile(join(shipped, "chat_template.jinja"), "utf8"),
      {},
      "SmolLM2",
    ),
  },
  {
    name: "Qwen2",
    tokenizer: await byteLevel(chatml),
    chatTemplate: createChatTemplate(CHATML, {}, "Qwen2"),
  },
  {
    name: "Qwen3",
    tokenizer: await byteLevel(chatml),
    chatTemplate: createChatTemplate(QWEN3, {}, "Qwen3"),
  },
  {
    name: "Llama 3",
    tokenizer: await byteLevel(llama3),
    chatTemplate: createChatTemplate(LLAMA3, { bos_token: "<|begin_of_text|>" }, "Llama 3"),
  },
  {
    name: "Llama 2",
    tokenizer: await sentencePiece(),
    chatTemplate: createChatTemplate(LLAMA2, { bos_token: "<s>", eos_token: "</s>" }, "Llama 2"),
  },
  {
    name: "Mistral",
    tokenizer: await byteLevel(["<s>", "</s>", "[INST]", "[/INST]"]),
    chatTemplate: createChatTemplate(MISTRAL, { bos_token: "<s>", eos_token: "</s>" }, "Mistral"),
  },
  {
    name: "Phi-3",
    // Its control tokens take the white space behind them.
    tokenizer: await byteLevel(["<|system|>", "<|user|>", "<|assistant|>", "<|end|>"], { rstrip: true }),
    chatTemplate: createChatTemplate(PHI3, {}, "Phi-3"),
  },
  { name: "no template", tokenizer: await sentencePiece(), chatTemplate: plainChatTemplate },
];

const PARTS = [
  ...[
    "a",
    "the",
    " ",
    "  ",
    "\n",
    "\n\n",
    "\t",
    "<",
    "|",
    ">",
    "<|",
    "|>",
    "im_end",
    "</",
    "12",
    "ü",
    "日本",
    "🙂",
    "e\u0301",
  ],
  ...[
    "\u0338",
    "\u00a0",
    "\u200d",
    "\ufdd0",
    "\u{f0000}",
    "\u{f0001}",
    "\ufeff",
    "</think>",
    "<tool>",
    "$&",
    "{{ x }}",
    "'s",
  ],
];

type PlainMessage = Pick<Message, "role" | "content">;

const conversation = (random: SeededRandom, parts: readonly string[]): PlainMessage[] => {
  const text = () => Array.from({ length: random.below(9) }, () => random.pick(parts)).join("");
  const roles = random.pick([["user"], ["system", "user"], ["user", "assistant", "user"]] as const);
  return roles.map((role) => ({ role, content: text() }));
};

const specialTexts = ({ tokenizer }: Family): string[] =>
  [...tokenizer.specialTokenIds].map((id) => tokenizer.tokenText(id)).filter((text) => text.length > 1);

for (const family of FAMILIES) {
  const { name, tokenizer, chatTemplate } = family;
  const controls = (ids: Int32Array): number[] => [...ids].filter((id) => tokenizer.specialTokenIds.has(id));

  test(`a conversation's tokens are those of the whole rendered prompt (${name})`, () => {
    const random = new SeededRandom(15);
    const texts = specialTexts(family);
    let compared = 0;
    for (let round = 0; round < 400; round++) {
      const messages = conversation(random, PARTS);
      if (texts.some((text) => messages.some(({ content }) => content.includes(text)))) continue;
      const prompt = chatTemplate.render(messages, { addGenerationPrompt: true });
      // Without a template a prompt begins as the tokenizer's texts do, and none of the fixture's is ended.
      const whole = tokenizer.encode(prompt, { addSpecialTokens: chatTemplate.source === null });
      assert.deepEqual(encodeChat(family, messages), whole, JSON.stringify(messages));
      compared++;
    }
    assert.ok(compared > 300);
  });

  test(`text that spells control tokens is text (${name})`, () => {
    const random = new SeededRandom(16);
    const texts = specialTexts(family);
    for (let round = 0; round < 300; round++) {
      const messages = conversation(random, [...PARTS, ...texts, ...texts, ...texts]);
      const harmless = messages.map(({ role }) => ({ role, content: "a" }));
      const ids = encodeChat(family, messages);
      const unknown = tokenizer.idOf("<unk>");
      assert.deepEqual(
        controls(ids).filter((id) => id !== unknown),
        controls(encodeChat(family, harmless)).filter((id) => id !== unknown),
        JSON.stringify(messages),
      );
      // What was said is all there, as text. White space may be the control token's own, as with Phi-3.
      if (unknown !== undefined) continue;
      assert.equal(
        tokenizer.decode(ids, { skipSpecialTokens: false }).replaceAll(/\s/g, ""),
        chatTemplate.render(messages, { addGenerationPrompt: true }).replaceAll(/\s/g, ""),
      );
    }
  });

  test(`a control token alone, at both ends, twice and inside another is text (${name})`, () => {
    for (const text of specialTexts(family)) {
      const half = text.slice(0, 2);
      const spelled = [text, text + text, ` ${text} `, `a${text}b`, half + text + text.slice(2), `\n${text}`];
      for (const content of spelled) {
        const tokens = (said: string) =>
          controls(encodeChat(family, [{ role: "user", content: said }])).length;
        assert.equal(tokens(content), tokens("a"), content);
      }
    }
  });
}

test("a vocabulary that has whole words does not make the control token after all", async () => {
  const definition = await readFixture<JsonObject>("byte-level/tokenizer.json");
  const model = definition.model as JsonObject; // the fixture has one
  const vocab = { ...(model.vocab as JsonObject), "<|>": 700 };
  const tokenizer = createTokenizer(
    {
      ...definition,
      model: { ...model, vocab, ignore_merges: true },
      added_tokens: [special("<|>", 700)],
    },
    {},
    "test",
  );
  const ids = tokenizer.encode(tokenizer.quoteSpecial("a <|> b<|>"), {
    addSpecialTokens: false,
    quoted: true,
  });
  assert.ok(!ids.includes(700));
  assert.equal(tokenizer.decode(ids, { skipSpecialTokens: false }), "a <|> b<|>");
  assert.ok(tokenizer.encode("a <|> b", { addSpecialTokens: false }).includes(700));
});

test("a turn's marks that the file calls ordinary are control tokens all the same", async () => {
  const names = [
    "<|im_start|>",
    "<|im_end|>",
    "<start_of_turn>",
    "<end_of_turn>",
    "<｜User｜>",
    "<tool_call>",
  ];
  const tokenizer = await byteLevel(names, { special: false });
  for (const name of names) {
    const ids = tokenizer.encode(tokenizer.quoteSpecial(`a${name}`), {
      addSpecialTokens: false,
      quoted: true,
    });
    assert.equal(ids.includes(tokenizer.idOf(name)!), name === "<tool_call>", name);
  }
});

test("marks mean nothing in a text that is not quoted", async () => {
  const tokenizer = await byteLevel(chatml);
  const text = "\ufdd0\u{f0001}\ufdd0\u{f0003}";
  const ids = tokenizer.encode(text, { addSpecialTokens: false });
  assert.equal(tokenizer.decode(ids, { skipSpecialTokens: false }), text);
});
