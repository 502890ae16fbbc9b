import assert from "node:assert/strict";
import { test } from "node:test";
import { createChatTemplate, openChatTemplate, plainChatTemplate } from "../../src/text/chat-template.ts";
import { withFolder } from "./tokenizer-fixtures.ts";

const HELLO = [{ role: "user", content: "Hello" }];
const PROMPT = { addGenerationPrompt: true };

const open = (config: unknown, jinja: string | null = null): ReturnType<typeof openChatTemplate> =>
  withFolder(
    { "tokenizer_config.json": JSON.stringify(config), "chat_template.jinja": jinja },
    openChatTemplate,
  );

test("chat_template.jinja comes before tokenizer_config.json, a string before a list's default", async () => {
  const named = [
    { name: "tool_use", template: "tools" },
    { name: "default", template: "default {{ messages[0].content }}" },
  ];
  assert.equal((await open({ chat_template: "config" }, "file"))?.render(HELLO, PROMPT), "file");
  assert.equal((await open({ chat_template: "config" }))?.render(HELLO, PROMPT), "config");
  assert.equal((await open({ chat_template: named }))?.render(HELLO, PROMPT), "default Hello");
  assert.equal((await open({ chat_template: { default: "map" } }))?.render(HELLO, PROMPT), "map");
  assert.equal(await open({}), null);
  assert.equal(await withFolder({}, openChatTemplate), null);
  await assert.rejects(open({ chat_template: [{ name: "rag", template: "x" }] }), {
    code: "MAGDI_UNSUPPORTED",
    message: /"default", found rag/,
  });
});

test("a template has the special tokens, the messages, the generation prompt and the request's variables", () => {
  const source =
    "{{ bos_token }}{% for m in messages %}<{{ m['role'] }}>{{ m.content | trim }}{{ eos_token }}{% endfor %}" +
    "{% if add_generation_prompt %}<assistant>{% endif %}{% if tools is not none %}tools{% endif %}{{ mood }}";
  const template = createChatTemplate(source, { bos_token: { content: "<s>" }, eos_token: "</s>" }, "test");
  assert.equal(template.render([{ role: "user", content: " a " }], PROMPT), "<s><user>a</s><assistant>");
  assert.equal(
    template.render([], { addGenerationPrompt: false, variables: { mood: "calm", messages: HELLO } }),
    "<s>calm",
  );
});

test("a template's refusal is the request's fault, in the template's words", () => {
  const source =
    "{% if messages[0].role == 'assistant' %}{{ raise_exception('Roles must alternate') }}{% endif %}ok";
  const template = createChatTemplate(source, {}, "test");
  assert.equal(template.render(HELLO, PROMPT), "ok");
  assert.throws(() => template.render([{ role: "assistant", content: "x" }], PROMPT), {
    code: "MAGDI_BAD_REQUEST",
    param: "messages",
    message: /Roles must alternate/,
  });
  assert.throws(() => createChatTemplate("{{ messages.nothing.more() }}", {}, "test").render(HELLO, PROMPT), {
    code: "MAGDI_BAD_REQUEST",
    param: "messages",
  });
});

test("what is not Jinja is refused when it is opened", async () => {
  await assert.rejects(open({}, "{% for %}"), { code: "MAGDI_BAD_FILE", message: /chat_template\.jinja/ });
});

test("plain concatenation for a student without a template", () => {
  const messages = [{ role: "system", content: "Be brief." }, ...HELLO];
  assert.equal(plainChatTemplate.render(messages, PROMPT), "Be brief.\n\nHello");
});
