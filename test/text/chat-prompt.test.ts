// From a conversation to token ids: what a prompt begins with, with a template and without.

import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeChat, type Message } from "../../src/text/chat-prompt.ts";
import { createChatTemplate, plainChatTemplate } from "../../src/text/chat-template.ts";
import { ggufTokenizerFiles } from "../../src/text/gguf-tokenizer.ts";
import { openTokenizer, type Tokenizer } from "../../src/text/tokenizer.ts";
import { byteLevelFolder, sentencePieceMetadata, withFolder } from "./tokenizer-fixtures.ts";

/** The SentencePiece fixture, whose texts begin with <s>, and end with </s> where it is told so. */
async function sentencePiece(changes: Readonly<Record<string, unknown>> = {}): Promise<Tokenizer> {
  const metadata = await sentencePieceMetadata();
  for (const [key, value] of Object.entries(changes)) metadata.set(`tokenizer.ggml.${key}`, value);
  return withFolder({ ...ggufTokenizerFiles(metadata) }, openTokenizer);
}

const said = (content: string): Message[] => [{ role: "user", content }];

test("a prompt without a template begins as the tokenizer's texts do, and is never ended", async () => {
  const own = await sentencePiece();
  const chatTemplate = plainChatTemplate;
  const [bos, end] = [own.idOf("<s>")!, own.idOf("</s>")!];
  for (const text of ["the the", "", " x"]) {
    const expected = own.encode(text, { addSpecialTokens: true });
    assert.equal(expected[0], bos);
    assert.deepEqual(encodeChat({ tokenizer: own, chatTemplate }, said(text)), expected);
    const ending = await sentencePiece({ add_eos_token: true });
    assert.equal(ending.encode(text, { addSpecialTokens: true }).at(-1), end);
    assert.deepEqual(encodeChat({ tokenizer: ending, chatTemplate }, said(text)), expected);
    assert.deepEqual(
      encodeChat({ tokenizer: ending, chatTemplate }, said(text), { addSpecialTokens: true }),
      Int32Array.of(...expected, end),
    );
  }
  assert.deepEqual([...own.startTokenIds], [bos]);
});

test("a tokenizer that adds no BOS, or a template, has the only word on how a prompt begins", async () => {
  const text = "the the";
  for (const tokenizer of [
    await openTokenizer(byteLevelFolder),
    await sentencePiece({ add_bos_token: false }),
    await sentencePiece({ add_bos_token: false, add_eos_token: true }),
  ]) {
    assert.deepEqual(
      encodeChat({ tokenizer, chatTemplate: plainChatTemplate }, said(text)),
      tokenizer.encode(text, { addSpecialTokens: false }),
    );
  }
  const tokenizer = await sentencePiece();
  for (const source of ["{{ messages[0].content }}", "<s>{{ messages[0].content }}"]) {
    const chatTemplate = createChatTemplate(source, {}, "test");
    const expected = tokenizer.encode(source.startsWith("<s>") ? `<s>${text}` : text, {
      addSpecialTokens: false,
    });
    assert.deepEqual(encodeChat({ tokenizer, chatTemplate }, said(text)), expected);
  }
});
