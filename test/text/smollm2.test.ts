import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { openChatTemplate } from "../../src/text/chat-template.ts";
import { IncrementalDetokenizer } from "../../src/text/incremental-detokenizer.ts";
import { openTokenizer } from "../../src/text/tokenizer.ts";

interface Reference {
  readonly results: {
    readonly prompt: string;
    readonly text: string;
    readonly input_ids: number[];
    readonly greedy_ids: number[];
    readonly greedy_text: string;
  }[];
}

test("the default student's prompts are Transformers', text and ids, and so are its answers' texts", async () => {
  const path = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
  const folder = path("../../models/smollm2-135m-instruct");
  const tokenizer = await openTokenizer(folder);
  const template = await openChatTemplate(folder);
  const reference: Reference = JSON.parse(await readFile(path("../fixtures/smollm2-135m.json"), "utf8"));
  assert.equal(reference.results.length, 12);
  for (const { prompt, text, input_ids, greedy_ids, greedy_text } of reference.results) {
    const rendered = template?.render([{ role: "user", content: prompt }], { addGenerationPrompt: true });
    assert.equal(rendered, text);
    assert.deepEqual([...tokenizer.encode(text, { addSpecialTokens: false })], input_ids);
    assert.equal(tokenizer.decode(input_ids, { skipSpecialTokens: false }), text);
    assert.equal(tokenizer.decode(greedy_ids, { skipSpecialTokens: false }), greedy_text);
    const detokenizer = new IncrementalDetokenizer(tokenizer, { skipSpecialTokens: true });
    const streamed = greedy_ids.map((id) => detokenizer.push(id)).join("") + detokenizer.finish();
    assert.equal(streamed, greedy_text.replaceAll("<|im_end|>", ""));
  }
});
