// Chat templates that would hold the server for good or exhaust its memory: refused when they are opened, or ended when a
// request meets what they wait for. And templates as models publish them, which are far from the limits.

import assert from "node:assert/strict";
import { test } from "node:test";
import { createChatTemplate } from "../../src/text/chat-template.ts";

const PROMPT = { addGenerationPrompt: true };
const times = (text: string, count: number): string => text.repeat(count);
const FORTY = "{% for i in range(40) %}";
/** ns.s, of a million characters. */
const LONG = `{% set ns = namespace(s='${times("a", 16)}') %}{% for i in range(16) %}{% set ns.s = ns.s + ns.s %}{% endfor %}`;
/** ns.l, a list of 16 000 texts. */
const LIST = `{% set ns = namespace(s='${times("a ", 8)}') %}{% for i in range(11) %}{% set ns.s = ns.s + ns.s %}{% endfor %}{% set l = ns.s.split(' ') %}`;
/** Of few rounds, which alone are within the budget. */
const LOOP = "{% for i in range(3000) %}";
const END = "{% endfor %}";

const REFUSED: Readonly<Record<string, readonly [template: string, message: RegExp]>> = {
  "a long range": [`{% for i in range(1000000000) %}x${END}`, /range of 1000000000/],
  "a range of small steps": [`{% for i in range(0, 1, 0.0000001) %}x${END}`, /range of 10000000/],
  "nested ranges": [`${LOOP}${LOOP}${END}${END}`, /more than \d+ steps/],
  "ten nested ranges": [`${times("{% for i in range(1000) %}", 10)}x${times(END, 10)}`, /steps/],
  "a text doubled by +": [
    `{% set ns = namespace(s='aaaa') %}${FORTY}{% set ns.s = ns.s + ns.s %}${END}`,
    /value of more than \d+ characters|steps/,
  ],
  "a text doubled by ~": [
    `{% set ns = namespace(s='aaaa') %}${FORTY}{% set ns.s = ns.s ~ ns.s %}${END}`,
    /value of more than|steps/,
  ],
  "a list doubled": [
    `{% set ns = namespace(l=[[]]) %}${FORTY}{% set ns.l = ns.l + ns.l %}${END}`,
    /value of more/,
  ],
  "a list in itself twice": [
    `{% set ns = namespace(l=[1]) %}{% for i in range(40) %}{% set ns.l = [ns.l, ns.l] %}${END}{{ ns.l|tojson }}`,
    /value of more/,
  ],
  "an object in itself twice": [
    `{% set ns = namespace(l={}) %}{% for i in range(40) %}{% set ns.l = {'a': ns.l, 'b': ns.l} %}${END}{{ ns.l }}`,
    /value of more/,
  ],
  "deep lists": [
    `{% set ns = namespace(l=[]) %}{% for i in range(100) %}{% set ns.l = [ns.l] %}${END}`,
    /deeper than/,
  ],
  "a namespace in itself": [
    "{% set ns = namespace() %}{% set ns.a = ns %}{{ ns }}",
    /a namespace in another/,
  ],
  "a namespace in a list in itself": [
    "{% set ns = namespace() %}{% set ns.a = [ns] %}{{ ns }}",
    /a namespace in/,
  ],
  "a replacement by a long text": [`${LONG}{{ ns.s.replace('a', ns.s) }}`, /too large out of two/],
  "the method kept in a name": [
    `${LONG}{% set f = ns.s.replace %}{{ f('a', ns.s) }}`,
    /too large out of two/,
  ],
  "its arguments spread": [`${LONG}{% set a = ['a', ns.s] %}{{ ns.s.replace(*a) }}`, /too large out of two/],
  "a replacement of nothing": [`${LONG}{{ ns.s.replace('', ns.s) }}`, /too large out of two/],
  "a join by a long text": [`${LONG}{{ range(3000)|join(ns.s) }}`, /too large out of two/],
  "a join by name": [`${LONG}{{ range(3000)|join(separator=ns.s) }}`, /too large out of two/],
  "a join by a spread name": [`${LONG}{{ range(3000)|join(**{'separator': ns.s}) }}`, /too large out of two/],
  "a wide indent": ["{{ 'a\\na\\na'|indent(500000000) }}", /too large out of two/],
  "a wide indent of a block": ["{% filter indent(500000000) %}a\nb{% endfilter %}", /too large out of two/],
  "wide JSON": ["{{ range(3000)|tojson(indent=100000) }}", /too large out of two/],
  "JSON with long separators": [
    `${LONG}{{ [1, 2, 3]|tojson(separators=(ns.s, ns.s)) }}`,
    /value of more|too large/,
  ],
  "endless macros": ["{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", /nests deeper/],
  "endless callers": [
    "{% macro f() %}{{ caller() }}{% endmacro %}{% macro g() %}{% call f() %}{{ g() }}{% endcall %}{% endmacro %}{{ g() }}",
    /nests deeper/,
  ],
  "a tree of macros": [
    "{% macro f(n) %}{% if n > 0 %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(60) }}",
    /steps/,
  ],
  "unknown names": [`${LOOP}{{ nope }}${END}`, /steps/],
  breaks: [`${LOOP}{% for j in [1] %}{% break %}${END}${END}`, /steps/],
  "long macros in a loop": [`${LOOP}{% macro f() %}${times("{{ a }}", 2000)}{% endmacro %}${END}`, /steps/],
  dates: [`${LOOP}{{ strftime_now('%B') }}${END}`, /steps/],
  slices: [`${LONG}${LOOP}{{ ns.s[0:1] }}${END}`, /steps/],
  splits: [`${LONG}${LOOP}{{ ns.s.split('b') }}${END}`, /steps|value of more/],
  sorts: [`${LIST}${LOOP}{{ (l|sort)[0] }}${END}`, /steps/],
  searches: [`${LIST}${LOOP}{{ 'b' in l }}${END}`, /steps/],
  "long searches": [`${LONG}${LOOP}{{ ('b' + ns.s) in ns.s }}${END}`, /steps/],
  capitals: [`${LONG}${LOOP}{{ ns.s.upper() }}${END}`, /steps/],
  "blanks in a tag": [`{%${times(" ", 200_000)}if true %}x{% endif %}`, /200000 characters of white space/],
  "blanks in the text": [`${times("\n", 200_000)}{{ x }}`, /200000 characters of white space/],
  "no-break spaces": [`${times("\u00a0", 5000)}{{ x }}`, /5000 characters of white space/],
  "a long template": [times("a", 300_000), /300000 characters/],
  parentheses: [`{{ ${times("(", 60_000)}x${times(")", 60_000)} }}`, /nests too deeply/],
  "a long sum": [`{{ a${times("+a", 5000)} }}`, /nests deeper/],
  "many branches": [`{% if a %}${times("{% elif a %}", 12_000)}{% endif %}`, /nests too deeply/],
};

for (const [name, [template, message]] of Object.entries(REFUSED)) {
  test(`refused when it is opened: ${name}`, () => {
    assert.throws(
      () => createChatTemplate(template, {}, "student/chat_template.jinja"),
      (error: { code: string; message: string }) => {
        assert.equal(error.code, "MAGDI_BAD_FILE");
        assert.match(error.message, /^student\/chat_template\.jinja: /);
        assert.match(error.message, message);
        assert.doesNotMatch(error.message, /\n/);
        assert.ok(error.message.length < 300, `${error.message.length} characters`);
        return true;
      },
    );
  });
}

test("a bomb that waits for a message ends when it meets it, and the next render is as before", () => {
  const bombs = [
    `${LOOP}${LOOP}x${END}${END}`,
    `${LONG}{{ ns.s.replace('a', ns.s) }}`,
    "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
    "{{ range(1000000000) }}",
    `${LONG}{{ raise_exception(ns.s) }}`,
  ];
  for (const bomb of bombs) {
    const source = `{% for m in messages %}{% if m.content == 'now' %}${bomb}{% endif %}{{ m.content }}{% endfor %}`;
    const template = createChatTemplate(source, {}, "test");
    for (let round = 0; round < 2; round++) {
      assert.equal(template.render([{ role: "user", content: "hello" }], PROMPT), "hello");
      assert.throws(
        () => template.render([{ role: "user", content: "now" }], PROMPT),
        (error: { code: string; param: string; message: string }) => {
          assert.equal(error.code, "MAGDI_BAD_REQUEST");
          assert.equal(error.param, "messages");
          assert.ok(error.message.length < 700, `${error.message.length} characters`);
          return true;
        },
      );
    }
  }
});

/** As published: ChatML; Llama 3.1's date and strips; Qwen3's search backwards, splits and namespaces; an object per tool. */
const PUBLISHED = [
  "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}",
  "{{- bos_token }}{%- if not date_string is defined %}{%- set date_string = strftime_now('%d %b %Y') %}{%- endif %}{%- if messages[0]['role'] == 'system' %}{%- set system_message = messages[0]['content']|trim %}{%- set messages = messages[1:] %}{%- else %}{%- set system_message = '' %}{%- endif %}{{- date_string|length > 5 }}{%- for message in messages %}{{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n'+ message['content'] | trim + '<|eot_id|>' }}{%- endfor %}",
  "{%- set ns = namespace(multi_step_tool=true, last_query_index=messages|length - 1) %}{%- for message in messages[::-1] %}{%- set index = (messages|length - 1) - loop.index0 %}{%- if ns.multi_step_tool and message.role == 'user' and not(message.content.startswith('<tool>') and message.content.endswith('</tool>')) %}{%- set ns.multi_step_tool = false %}{%- set ns.last_query_index = index %}{%- endif %}{%- endfor %}{%- for message in messages %}{%- set content = message.content %}{%- if '</think>' in content %}{%- set content = content.split('</think>')[-1].lstrip('\n').replace('<a>', '&lt;a&gt;') %}{%- endif %}{{- message.role ~ ': ' ~ content|indent(2) ~ '\n' }}{%- endfor %}",
];

test("templates as published render long conversations", () => {
  const conversation = (count: number, characters: number) =>
    Array.from({ length: count }, (_, i) => ({
      role: i % 2 === 0 ? "user" : "assistant",
      content:
        i % 2 === 0 ? "word\n".repeat(characters / 5) : `<think>x</think>${"word\n".repeat(characters / 5)}`,
    }));
  for (const source of PUBLISHED) {
    const template = createChatTemplate(source, { bos_token: "<s>" }, "test");
    for (const messages of [conversation(1, 1_000_000), conversation(1024, 1000), conversation(1024, 5)]) {
      const text = template.render(messages, PROMPT);
      assert.ok(text.length > messages.length * messages[0]!.content.length * 0.9);
    }
  }
});
