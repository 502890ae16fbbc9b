// Plain fine-tuning data, held to the tokens and labels that TRL's SFTTrainer makes of the same records; and what is refused.

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { before, test } from "node:test";
import { createChatTemplate } from "../../../src/text/chat-template.ts";
import { openTokenizer } from "../../../src/text/tokenizer.ts";
import { type ChatExample, loadChatExamples } from "../../../src/train/batches/chat-file.ts";
import { tokeniseChats } from "../../../src/train/batches/tokenised-chats.ts";
import type { StudentText } from "../../../src/train/batches/tokenised-mags.ts";
import { fixture, scratchFolder } from "../../support/scratch-folder.ts";

interface Recorded {
  readonly template: string;
  readonly records: readonly {
    readonly record: Readonly<Record<string, unknown>>;
    readonly ids: readonly number[];
    /** The first position whose token is learned. */
    readonly learned: number;
  }[];
}
const { template, records }: Recorded = JSON.parse(readFileSync(fixture("chats", "expected.json"), "utf8"));
const scratch = scratchFolder();
const BYTE_LEVEL = fixture("tokenizers", "byte-level");
let student: StudentText;
before(async () => {
  const tokenizer = await openTokenizer(BYTE_LEVEL);
  const config = JSON.parse(readFileSync(path.join(BYTE_LEVEL, "tokenizer_config.json"), "utf8"));
  const [endTokenId = -1] = tokenizer.encode("<|im_end|>", { addSpecialTokens: false });
  student = { tokenizer, chatTemplate: createChatTemplate(template, config, "fixture"), endTokenId };
});

let files = 0;
async function examplesOf(...lines: readonly unknown[]): Promise<ChatExample[]> {
  const file = path.join(scratch, `chats-${files++}.jsonl`);
  writeFileSync(file, lines.map((line) => JSON.stringify(line)).join("\n"));
  return loadChatExamples(file);
}

test("tokens, and which of them are learned, are TRL's", async () => {
  const examples = await examplesOf(...records.map(({ record }) => record));
  const { units, counts } = tokeniseChats(examples, student, { maxTokens: 1024 });
  assert.equal(units.length, records.length);
  for (const [index, { record, ids, learned }] of records.entries()) {
    const [row] = units[index]!.rows;
    assert.deepEqual([...row!.tokenIds], ids, JSON.stringify(record));
    // Nothing comes before the first token, so it is no label in TRL's loss either.
    assert.equal(row!.promptLength, Math.max(1, learned), JSON.stringify(record));
  }
  assert.deepEqual([counts.items, counts.rows, counts.rowsCut], [records.length, records.length, 0]);
});

test("a prompt that is tokenised otherwise before its completion is counted", async () => {
  const examples = await examplesOf(...records.map(({ record }) => record));
  const { promptsRejoined } = tokeniseChats(examples, student, { maxTokens: 1024 });
  const expected = records.filter(({ record, learned }) => {
    const { prompt } = record;
    if (typeof prompt !== "string") return false;
    return learned < student.tokenizer.encode(prompt, { addSpecialTokens: true }).length;
  });
  // The template writes an empty thought where the prompt ends, and none before an answer that is there.
  assert.equal(promptsRejoined, expected.length + 1);
  assert.ok(promptsRejoined >= 2);
});

test("special tokens' texts are text in a message, and those tokens in a plain prompt", async () => {
  const content = "<|im_end|>";
  const examples = await examplesOf(
    { messages: [{ role: "user", content }] },
    { prompt: content, completion: "x" },
  );
  const { units } = tokeniseChats(examples, student, { maxTokens: 1024 });
  const ends = units.map(({ rows }) => rows[0]!.tokenIds.filter((id) => id === student.endTokenId).length);
  assert.deepEqual(ends, [1, 2]);
});

test("what is too long is left out or cut at its end, as asked", async () => {
  const completion = "word ".repeat(40);
  const lines = [
    { prompt: "short", completion: "yes" },
    { prompt: "short", completion },
    { prompt: completion, completion: "yes" },
    { text: completion },
  ];
  const examples = await examplesOf(...lines);
  const dropped = tokeniseChats(examples, student, { maxTokens: 32, tooLong: "drop" });
  assert.deepEqual(
    dropped.units.map(({ id }) => id.split(":").at(-1)),
    ["1"],
  );
  assert.deepEqual([dropped.counts.rowsDropped, dropped.counts.promptsTooLong], [2, 1]);
  const cut = tokeniseChats(examples, student, { maxTokens: 32, tooLong: "cut" });
  assert.deepEqual(
    cut.units.map(({ rows }) => rows[0]!.tokenIds.length),
    [cut.units[0]!.rows[0]!.tokenIds.length, 32, 32],
  );
  assert.deepEqual([cut.counts.rowsCut, cut.counts.promptsTooLong], [2, 1]);
});

test("records that say what is not read are refused with their line", async () => {
  const user = { role: "user", content: "Hello" };
  for (const [record, code, message] of [
    [
      { question: "x", answer: "y" },
      "MAGDI_BAD_FILE",
      /:1: expected messages .*, prompt and completion .*, or text$/,
    ],
    [{ prompt: "x" }, "MAGDI_BAD_FILE", /:1: expected messages/],
    [{ prompt: "x", completion: [user] }, "MAGDI_BAD_FILE", /:1: expected messages/],
    [{ messages: [] }, "MAGDI_BAD_FILE", /:1: messages/],
    [{ messages: [{ role: "user" }] }, "MAGDI_BAD_FILE", /:1: messages: .*content/],
    [{ messages: [{ role: "user", content: [{ type: "text", text: "x" }] }] }, "MAGDI_BAD_FILE", /content/],
    [{ messages: [user], tools: [{ name: "f" }] }, "MAGDI_UNSUPPORTED", /:1: tools: is not read/],
    [{ messages: [{ ...user, tool_calls: [{}] }] }, "MAGDI_UNSUPPORTED", /:1: messages\[0\]: tool_calls/],
    [{ prompt: "x", chosen: "y", rejected: "z" }, "MAGDI_UNSUPPORTED", /chosen: is not read/],
    [{ input_ids: [1, 2] }, "MAGDI_UNSUPPORTED", /input_ids: is not read/],
    ["text", "MAGDI_BAD_FILE", /:1: expected messages/],
  ] as const) {
    await assert.rejects(examplesOf(record), { code, message }, JSON.stringify(record));
  }
  assert.equal((await examplesOf({ messages: [user], tools: null, images: [] })).length, 1);
});

test("of several forms in one record a completion comes first, then a conversation", async () => {
  const messages = [{ role: "user", content: "Hello" }];
  const examples = await examplesOf(
    { messages, prompt: "a", completion: "b", text: "c" },
    { messages, prompt: "a", text: "c" },
    { text: "c", prompt: null },
  );
  assert.deepEqual(
    examples.map(({ kind }) => kind),
    ["completed text", "messages", "text"],
  );
});
