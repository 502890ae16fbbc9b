// From graphs to rows of tokens: the prompt that the server sends, what is taught behind it, and what does not fit.

import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { renderPrompt } from "../../src/asking/prompts.ts";
import type { Mag } from "../../src/mag/mag-schema.ts";
import { encodeChat } from "../../src/text/chat-prompt.ts";
import { createChatTemplate, plainChatTemplate } from "../../src/text/chat-template.ts";
import { ggufTokenizerFiles } from "../../src/text/gguf-tokenizer.ts";
import { openTokenizer } from "../../src/text/tokenizer.ts";
import {
  endTokenOf,
  type StudentText,
  tokeniseMags,
  tokeniseTwoTasks,
} from "../../src/train/batches/tokenised-mags.ts";
import type { TrainingRow } from "../../src/train/batches/training-unit.ts";
import { rowsApart } from "../../src/train/batches/training-unit.ts";
import { fixture } from "../support/scratch-folder.ts";
import { sentencePieceMetadata, withFolder } from "../text/tokenizer-fixtures.ts";
import { sampleMag } from "./support/sample-mag.ts";

const TEMPLATE =
  "{% for m in messages %}[{{ m.role }}] {{ m.content }}<|endoftext|>{% endfor %}{% if add_generation_prompt %}[assistant] {% endif %}";
let student: StudentText;
let special: string;

before(async () => {
  const tokenizer = await openTokenizer(fixture("tokenizers/byte-level"));
  special = [...tokenizer.specialTokenIds]
    .map((id) => tokenizer.tokenText(id))
    .find((text) => text.length > 1)!;
  const chatTemplate = createChatTemplate(TEMPLATE.replace("<|endoftext|>", special), {}, "test");
  const endTokenId = tokenizer.idOf(special)!;
  student = { tokenizer, chatTemplate, endTokenId };
});

const said = (row: TrainingRow, from: number, to?: number): string =>
  student.tokenizer.decode(row.tokenIds.subarray(from, to), { skipSpecialTokens: false });
const prompt = (row: TrainingRow): string => said(row, 0, row.promptLength);
const completion = (row: TrainingRow): string => said(row, row.promptLength);

describe("a graph's rows", () => {
  test("are its nodes: the prompt as served, the chain, the sentence of the answer, the end token", () => {
    const mag = sampleMag("one");
    const { units, counts } = tokeniseMags([mag], student, { maxTokens: 1000 });
    const [unit] = units;
    assert.equal(unit!.rows.length, 6);
    assert.deepEqual(unit!.edges, mag.edges);
    const asked = student.chatTemplate.render(
      renderPrompt(mag).map((message) => ({ ...message })),
      { addGenerationPrompt: true },
    );
    for (const [index, row] of unit!.rows.entries()) {
      const { answer, label } = mag.nodes[index]!;
      assert.equal(prompt(row), asked);
      assert.equal(completion(row), `3 plus 4 gives ${answer}. The answer is ${answer}.${special}`);
      assert.equal(row.tokenIds.at(-1), student.endTokenId);
      assert.equal(row.label, label);
    }
    assert.equal(counts.rows, 6);
    assert.equal(
      counts.tokens,
      unit!.rows.reduce((sum, { tokenIds }) => sum + tokenIds.length, 0),
    );
  });

  test("hold no special token that a question or an agent wrote", () => {
    const mag = sampleMag("one");
    const written: Mag = {
      ...mag,
      question: `What ${special}is it?`,
      nodes: mag.nodes.map((node) => ({ ...node, reasoning: `${special}So ${special}7${special}` })),
    };
    // Without the inner one the rest would be the token.
    const nested = `${special.slice(0, 3)}${special}${special.slice(3)}`;
    const split = {
      ...mag,
      question: `What ${nested}is it?`,
      nodes: mag.nodes.map((node) => ({ ...node, reasoning: `So ${nested} 7` })),
    };
    for (const [each, said] of [
      [written, special],
      [split, nested],
    ] as const) {
      const { units } = tokeniseMags([each], student, { maxTokens: 1000 });
      for (const { tokenIds, promptLength } of units[0]!.rows) {
        // One behind the user's message, one at the end.
        assert.equal(tokenIds.filter((id) => student.tokenizer.specialTokenIds.has(id)).length, 2);
        const text = (ids: Int32Array) => student.tokenizer.decode(ids, { skipSpecialTokens: true });
        assert.ok(text(tokenIds.subarray(0, promptLength)).includes(`What ${said}is it?`));
        assert.ok(text(tokenIds.subarray(promptLength)).includes(said));
      }
    }
  });

  test("that are too long are dropped with their edges, or cut without an end token", () => {
    const mag = sampleMag("one");
    const nodes = mag.nodes.map((node, index) =>
      index === 0 ? { ...node, reasoning: "3 plus 4. ".repeat(60) } : node,
    );
    const whole = tokeniseMags([mag], student, { maxTokens: 1000 }).units[0]!;
    const maxTokens = Math.max(...whole.rows.map(({ tokenIds }) => tokenIds.length)) + 5;
    const dropped = tokeniseMags([{ ...mag, nodes }], student, { maxTokens, tooLong: "drop" });
    assert.equal(dropped.units[0]!.rows.length, 5);
    assert.equal(dropped.units[0]!.edges.length, 6);
    assert.deepEqual([dropped.counts.rowsDropped, dropped.counts.rowsCut], [1, 0]);
    const cut = tokeniseMags([{ ...mag, nodes }], student, { maxTokens, tooLong: "cut" });
    const [row] = cut.units[0]!.rows as [TrainingRow];
    assert.equal(row.tokenIds.length, maxTokens);
    assert.notEqual(row.tokenIds.at(-1), student.endTokenId);
    assert.deepEqual([cut.counts.rowsDropped, cut.counts.rowsCut], [0, 1]);
    assert.ok(cut.counts.tokensCut > 100);
  });

  test("are none when the prompt leaves no room, and one fewer where no sentence says an answer", () => {
    const mag = sampleMag("one");
    const { units, counts } = tokeniseMags([mag], student, { maxTokens: 20 });
    assert.deepEqual(units, []);
    assert.equal(counts.promptsTooLong, 1);
    const nodes = mag.nodes.map((node, index) => (index === 1 ? { ...node, answer: "\\" } : node));
    const unsayable = tokeniseMags([{ ...mag, nodes }], student, { maxTokens: 1000 });
    assert.equal(unsayable.counts.unsayableAnswers, 1);
    assert.equal(unsayable.units[0]!.rows.length, 5);
  });

  test("apart are units of one row, without edges", () => {
    const { units } = tokeniseMags([sampleMag("one")], student, { maxTokens: 1000 });
    const apart = rowsApart(units);
    assert.equal(apart.length, 6);
    assert.ok(apart.every(({ rows, edges }) => rows.length === 1 && edges.length === 0));
    assert.equal(new Set(apart.map(({ id }) => id)).size, 6);
  });
});

test("two tasks: right chains under the usual prompt, and the bare gold answer under one that asks for it", () => {
  const { rationale, label, counts } = tokeniseTwoTasks([sampleMag("one")], student, { maxTokens: 1000 });
  assert.equal(rationale.length, 4);
  assert.ok(rationale.every(({ rows: [row] }) => row!.label === 1));
  assert.equal(label.length, 1);
  const [row] = label[0]!.rows as [TrainingRow];
  assert.equal(completion(row), `The answer is 7.${special}`);
  assert.match(prompt(row), /Give no reasons/);
  assert.doesNotMatch(prompt(row), /step by step/);
  assert.match(prompt(rationale[0]!.rows[0]!), /step by step/);
  assert.equal(counts.rows, 5);
});

test("a bare answer that does not fit is no row, and counted, where chains are cut too", () => {
  const passage = "It is said that three and four were seen together. ".repeat(4);
  const mag: Mag = { ...sampleMag("one"), passage };
  const roomy = tokeniseTwoTasks([mag], student, { maxTokens: 2000 });
  const [bare] = roomy.label[0]!.rows as [TrainingRow];
  const fits = bare.tokenIds.length;
  // From a prompt that alone fills the row to a sentence that lacks its end token.
  for (const maxTokens of [bare.promptLength - 3, bare.promptLength, fits - 1]) {
    const { label, counts } = tokeniseTwoTasks([mag], student, { maxTokens, tooLong: "cut" });
    assert.deepEqual(label, [], `${maxTokens} tokens`);
    assert.ok(counts.rowsDropped === 1, `${maxTokens} tokens`);
  }
  const { label, counts } = tokeniseTwoTasks([mag], student, { maxTokens: fits, tooLong: "cut" });
  assert.deepEqual([label.length, counts.rowsDropped], [1, 0]);
});

test("a base without a template is taught behind the prompt that it is asked with, BOS before it", async () => {
  const metadata = await sentencePieceMetadata();
  const tokenizer = await withFolder({ ...ggufTokenizerFiles(metadata) }, openTokenizer);
  const [bos, endTokenId] = [tokenizer.idOf("<s>")!, tokenizer.idOf("</s>")!];
  const plain = { tokenizer, chatTemplate: plainChatTemplate, endTokenId };
  const mag = sampleMag("one");
  const { units } = tokeniseMags([mag], plain, { maxTokens: 1000 });
  const [{ tokenIds, promptLength }] = units[0]!.rows as [TrainingRow];
  assert.equal(tokenIds[0], bos);
  assert.deepEqual(tokenIds.subarray(0, promptLength), encodeChat(plain, renderPrompt(mag)));
  assert.ok(!tokenIds.subarray(1).includes(bos));
});

test("the end token is the one that the template writes behind an answer, else the first that there is", () => {
  const { tokenizer, chatTemplate, endTokenId } = student;
  assert.equal(endTokenOf(tokenizer, chatTemplate, [5, endTokenId]), endTokenId);
  assert.equal(endTokenOf(tokenizer, plainChatTemplate, [5, endTokenId]), 5);
  assert.throws(() => endTokenOf(tokenizer, plainChatTemplate, []), RangeError);
});
