// The record formats, each as its source writes it, and what is said when a field is wrong.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { MagdiError } from "../../src/base/errors.ts";
import { formatOf, type ImportFormat, importedRecord } from "../../src/mag/import-formats.ts";

const imported = (value: unknown, format: ImportFormat = formatOf(value)) =>
  importedRecord(value, format, "file:3");

describe("transcripts", () => {
  const record = {
    question: "3 + 4?",
    gold: 7,
    agents: [
      { agent: "a", round: 0, reasoning: "It is 7.", answer: 7 },
      { agent: "b", reasoning: null, answer: null },
      { agent: "c", round: 1, reasoning: ["Yes.", "It is."], answer: true, correct: false },
    ],
  };

  test("are read with numbers and booleans as text, and what is missing as such", () => {
    const { nodes, gold, edgeRule, use, questionId } = imported(record);
    assert.equal(formatOf(record), "transcripts");
    assert.deepEqual(nodes, [
      { agent: "a", round: 0, reasoning: "It is 7.", answer: "7" },
      { agent: "b", round: 0, reasoning: "", answer: null },
      { agent: "c", round: 1, reasoning: "Yes. It is.", answer: "yes", correct: false },
    ]);
    assert.deepEqual([gold, edgeRule, use, questionId], ["7", null, null, null]);
  });

  test("with turns on every node were held in turns", () => {
    const turns = record.agents.map((node, turn) => ({ ...node, turn }));
    assert.equal(imported({ ...record, agents: turns }).edgeRule, "turns");
    assert.equal(imported({ ...record, agents: [...turns, record.agents[0]] }).edgeRule, null);
  });

  test("of a collection tell which questions are for evaluation, and must", () => {
    const collected = { ...record, question_id: "gsm8k-1", use: "eval", setting: "cot" };
    assert.equal(formatOf(collected), "agents");
    const { use, variant, questionId } = imported(collected);
    assert.deepEqual([use, variant, questionId], ["eval", "cot", "gsm8k-1"]);
    assert.throws(
      () => imported(record, "agents"),
      /file:3: question_id: expected a value, found nothing; use: /,
    );
  });
});

describe("the authors' format", () => {
  const record = {
    question: "Can fish walk?",
    gold_answer: "no",
    gpt4_output_0: { reasoning: "Fish swim.", answer: "no" },
    gpt4_output_1: null,
    bard_output_0: { reasoning: "Some walk.", answer: "yes", confidence_level: 0.8 },
    claude_output_0: { reasoning: "They have fins.", answer: "no" },
    claude_output_1: {},
    vote_0: ["no", "yes", "no"],
  };

  test("has a node for each output that is there, agents in the order of the authors' code", () => {
    assert.equal(formatOf(record), "magdi");
    const { nodes, gold } = imported(record);
    assert.deepEqual(
      nodes.map(({ agent, round, answer }) => [agent, round, answer]),
      [
        ["claude", 0, "no"],
        ["gpt4", 0, "no"],
        ["bard", 0, "yes"],
      ],
    );
    assert.equal(gold, "no");
  });

  test("names the output that is wrong", () => {
    assert.throws(
      () => imported({ ...record, gpt4_output_0: "no" }),
      (error) =>
        error instanceof MagdiError &&
        error.message === 'file:3: gpt4_output_0: expected an object, found "no"',
    );
    assert.throws(
      () => imported({ ...record, bard_output_0: { reasoning: 3, answer: "no" } }),
      /file:3: bard_output_0: reasoning: expected a text or a list of texts, found 3/,
    );
    assert.throws(
      () => imported({ claude_output_0: null }),
      /question: expected a text, found nothing; gold_answer: /,
    );
  });
});

describe("choices", () => {
  const labels = (choices: unknown, gold: string) =>
    imported({ question: "Where?", gold, choices, agents: [] }).choices?.map(
      ({ label, text }) => `${label}=${text}`,
    );

  test("get letters, or numbers where the gold answer is a place", () => {
    assert.deepEqual(labels(["bank", "park"], "A"), ["A=bank", "B=park"]);
    assert.deepEqual(labels(["bank", "park"], "2"), ["1=bank", "2=park"]);
    // Here the gold answer is a choice's text.
    assert.deepEqual(labels(["1", "2"], "2"), ["A=1", "B=2"]);
    assert.deepEqual(labels(["bank", "park"], "3"), ["A=bank", "B=park"]);
  });

  test("keep labels that they have", () => {
    assert.deepEqual(labels([{ label: "x", text: "bank" }], "x"), ["x=bank"]);
    assert.deepEqual(labels(["A)21", "B)21.5"], "A"), ["A=21", "B=21.5"]);
    assert.deepEqual(labels(["(1) bank", "(2) park"], "2"), ["1=bank", "2=park"]);
    // Not labels: they repeat.
    assert.deepEqual(labels(["A) x", "A) y"], "A"), ["A=A) x", "B=A) y"]);
  });

  test("may be none", () => {
    assert.equal(labels([], "7"), undefined);
    assert.equal(labels(null, "7"), undefined);
  });
});

test("a record that is no object says what it is", () => {
  for (const [value, found] of [
    [null, "null"],
    [[1], "[1]"],
    ["text", '"text"'],
  ] as const) {
    assert.throws(() => imported(value), { message: `file:3: expected an object, found ${found}` });
  }
});
