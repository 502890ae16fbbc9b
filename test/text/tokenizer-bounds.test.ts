// Steps of a tokenizer.json that make a text, or a token, far longer than it is, or never end; and what a text costs that an
// expression takes too long for.

import assert from "node:assert/strict";
import { test } from "node:test";
import { createCheckedTokenizer, createTokenizer, type Tokenizer } from "../../src/text/tokenizer.ts";
import { readFixture } from "./tokenizer-fixtures.ts";

interface TokenizerJson {
  readonly model: { readonly vocab: Readonly<Record<string, number>> };
  readonly added_tokens: readonly object[];
  readonly pre_tokenizer: object;
}

const sound = await readFixture<TokenizerJson>("byte-level/tokenizer.json");
const open = (changes: object, config: object = {}): Tokenizer =>
  createTokenizer({ ...sound, ...changes }, { ...config }, "student/tokenizer.json");

const times = <T>(count: number, item: T): T[] => Array.from({ length: count }, () => item);
const replace = (from: string, to: string) => ({ type: "Replace", pattern: { String: from }, content: to });
const splitAt = (pattern: object) => ({ type: "Split", pattern, behavior: "Isolated", invert: false });
const text = { Sequence: { id: "A", type_id: 0 } };
const special = { SpecialToken: { id: "<|x|>", type_id: 0 } };
const template = (single: readonly unknown[]) => ({
  type: "TemplateProcessing",
  single,
  pair: [],
  special_tokens: {},
});

const REFUSED: Readonly<Record<string, readonly [changes: object, message: RegExp]>> = {
  "a normalizer's long text": [
    { normalizer: replace("a", "b".repeat(1_000_000)) },
    /normalizer: .*256 characters/,
  ],
  "a normalizer's longer text": [{ normalizer: replace("a", "b".repeat(17)) }, /at most 16 times as long/],
  "a long prefix": [
    { normalizer: { type: "Prepend", prepend: "b".repeat(1000) } },
    /normalizer: .*256 characters/,
  ],
  "10 000 normalizers": [
    { normalizer: { type: "Sequence", normalizers: times(10_000, { type: "NFC" }) } },
    /at most 256/,
  ],
  "normalizers in normalizers": [
    {
      normalizer: times(100, 0).reduce<object>(
        (inner) => ({ type: "Sequence", normalizers: [inner, inner].slice(0, 1) }),
        { type: "Sequence", normalizers: times(300, { type: "NFC" }) },
      ),
    },
    /at most 256/,
  ],
  "doubling normalizers": [
    {
      normalizer: {
        type: "Sequence",
        normalizers: times(60, replace("<|im_start|>", "<|im_start|><|im_start|>")),
      },
      added_tokens: [{ id: 1, content: "<|im_start|>", normalized: true }],
    },
    /more than 16 times as long/,
  ],
  "pieces of length 0": [{ pre_tokenizer: { type: "FixedLength", length: 0 } }, /length of at least 1/],
  "pieces of no length": [{ pre_tokenizer: { type: "FixedLength" } }, /length of at least 1/],
  "bytes of bytes": [
    {
      pre_tokenizer: { type: "Sequence", pretokenizers: times(40, { type: "ByteLevel", use_regex: false }) },
    },
    /one ByteLevel/,
  ],
  "a long mark": [{ pre_tokenizer: { type: "Metaspace", replacement: "  ".repeat(100) } }, /one character/],
  "a replacing pre-tokenizer": [{ pre_tokenizer: replace(" ", "  ") }, /only normalizers replace/],
  "a long searched text": [
    { pre_tokenizer: splitAt({ String: `${"a".repeat(100_000)}b` }) },
    /256 characters/,
  ],
  "a split without a pattern": [{ pre_tokenizer: { type: "Split" } }, /expected a pattern/],
  "many tokens around a text": [{ post_processor: template([...times(1000, special), text]) }, /at most 64/],
  "many processors": [
    { post_processor: { type: "Sequence", processors: times(100, template([special, text])) } },
    /at most 64/,
  ],
  "a text many times": [{ post_processor: template(times(50, text)) }, /the text once/],
  "a text twice": [{ post_processor: template([text, text]) }, /the text once/],
  "no text": [{ post_processor: template([special]) }, /the text once/],
  "a second text": [{ post_processor: template([{ Sequence: { id: "B", type_id: 0 } }]) }, /the text once/],
  "a template that is none": [{ post_processor: template([null]) }, /the text once/],
  "a processor without tokens": [{ post_processor: { type: "BertProcessing" } }, /cls and sep/],
  "a decoder's long text": [{ decoder: replace("a", "a".repeat(1_000_000)) }, /decoder .*256 characters/],
  "a decoder's longer text": [{ decoder: replace("a", "a".repeat(17)) }, /at most 16 times/],
  "a decoder of nothing": [{ decoder: replace("", "a") }, /texts of 1 to/],
  "many decoders": [
    { decoder: { type: "Sequence", decoders: times(100, replace("a", "b")) } },
    /at most 64 steps/,
  ],
  "a long added token": [
    { added_tokens: [{ id: 600, content: "a".repeat(1000), special: false }] },
    /256 characters/,
  ],
  "many added tokens": [
    { added_tokens: Array.from({ length: 140_000 }, (_, i) => ({ id: 1000 + i, content: `<${i}>` })) },
    /at most 131072 added_tokens/,
  ],
  "many special tokens": [
    {
      added_tokens: Array.from({ length: 70_000 }, (_, i) => ({
        id: 602 + i,
        content: `<${i}>`,
        special: true,
      })),
    },
    /at most 65532 special tokens/,
  ],
  "a long token": [
    { model: { ...sound.model, vocab: { ...sound.model.vocab, ["a".repeat(10_000)]: 600 } } },
    /at most 4096 characters, found one of 10000/,
  ],
};

for (const [name, [changes, message]] of Object.entries(REFUSED)) {
  test(`refused by name: ${name}`, () => {
    assert.throws(
      () => open(changes),
      (error: { code: string; message: string }) => {
        assert.match(error.code, /^MAGDI_(UNSUPPORTED|BAD_FILE)$/);
        assert.match(error.message, /^student\/tokenizer\.json: /);
        assert.match(error.message, message);
        assert.ok(error.message.length < 300, `${error.message.length} characters`);
        return true;
      },
    );
  });
}

test("a replacement is taken as it stands, where JavaScript would put the rest of the text in", () => {
  const plain = [...open({}).encode("x$'y $& $$ z$'", { addSpecialTokens: false })];
  const normalizer = {
    type: "Sequence",
    normalizers: [replace("1", "$'"), replace("2", "$&"), replace("3", "$$")],
  };
  assert.deepEqual([...open({ normalizer }).encode("x1y 2 3 z1", { addSpecialTokens: false })], plain);
  const decoder = open({ decoder: { type: "Sequence", decoders: [replace("a", "$'"), { type: "Fuse" }] } });
  const id = decoder.idOf("a") ?? -1;
  assert.equal(decoder.tokenText(id), "$'");
});

test("a text that grows too much, and a token that would, end as they are", () => {
  const normalizer = { type: "Sequence", normalizers: times(60, replace("a", "aa")) };
  const tokenizer = open({ normalizer });
  assert.ok(tokenizer.encode("bcd", { addSpecialTokens: false }).length > 0);
  assert.throws(() => tokenizer.encode("a", { addSpecialTokens: false }), {
    code: "MAGDI_BAD_REQUEST",
    message: /normalizer makes a text more than 16 times as long/,
  });
  const decoder = { type: "Sequence", decoders: times(60, replace("a", "aa")) };
  const doubled = open({ decoder });
  assert.equal(doubled.tokenText(doubled.idOf("a") ?? -1), "a".repeat(32));
});

test("a text that an expression takes too long for is refused in time, and the next one is not", async () => {
  // A back reference hides from the trial what leads to the part that backtracks.
  const regex = "(q)(w)(e)\\1\\2\\3(?:a|a)+z";
  const pre_tokenizer = { type: "Sequence", pretokenizers: [splitAt({ Regex: regex }), sound.pre_tokenizer] };
  const tokenizer = await createCheckedTokenizer({ ...sound, pre_tokenizer }, {}, "student/tokenizer.json");
  const plain = open({}).encode("Hello there", { addSpecialTokens: false });
  const start = performance.now();
  assert.throws(
    () => tokenizer.encode(`qweqwe${"a".repeat(60)}`, { addSpecialTokens: false, quoted: true }),
    {
      code: "MAGDI_BAD_REQUEST",
      message: /tokenizer cannot take this text: it was not done after 100\d ms/,
    },
  );
  assert.ok(performance.now() - start < 20_000);
  assert.deepEqual(tokenizer.encode("Hello there", { addSpecialTokens: false }), plain);
});

test("a hundred thousand added tokens are read, found in texts, and quoted", () => {
  const extra = Array.from({ length: 50_000 }, (_, i) => ({
    id: 603 + i,
    content: `<extra_${i}>`,
    special: true,
  }));
  const config = { additional_special_tokens: extra.map(({ content }) => content) };
  const tokenizer = open({ added_tokens: [...sound.added_tokens, ...extra] }, config);
  const said = "<extra_7><extra_49999>";
  assert.deepEqual([...tokenizer.encode(said, { addSpecialTokens: false })], [610, 50_602]);
  const quoted = tokenizer.encode(tokenizer.quoteSpecial(said), { addSpecialTokens: false, quoted: true });
  assert.ok(quoted.every((id) => id < 603));
  assert.equal(tokenizer.decode(quoted, { skipSpecialTokens: false }), said);
});
