// Question files in the one layout for all and as each benchmark is published.

import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { limitQuestions, type ReadingOptions, readQuestions } from "../../src/eval/question-file.ts";
import { scratchFolder } from "../support/scratch-folder.ts";

const folder = scratchFolder();
const options: ReadingOptions = { dataset: null, use: "eval", onBadRecord: "stop" };

function file(name: string, content: string | Buffer): string {
  const where = path.join(folder, name);
  mkdirSync(path.dirname(where), { recursive: true });
  writeFileSync(where, content);
  return where;
}

const lines = (...records: readonly (object | string)[]) =>
  records.map((record) => (typeof record === "string" ? record : JSON.stringify(record))).join("\n");

function read(name: string, content: string | Buffer, changed: Partial<ReadingOptions> = {}) {
  return readQuestions(file(name, content), { ...options, ...changed });
}

const published: Readonly<Record<string, { name: string; content: string; expected: object }>> = {
  GSM8K: {
    name: "gsm8k/test.jsonl",
    content: lines({
      question: "How many clips?",
      answer: "48/2 = <<48/2=24>>24 clips in May.\n#### 1,072",
    }),
    expected: {
      dataset: "gsm8k",
      id: "gsm8k-e404f9a66c4a",
      task: "math",
      question: "How many clips?",
      gold: "1072",
      choices: null,
      passage: null,
    },
  },
  CommonsenseQA: {
    name: "csqa/dev_rand_split.jsonl",
    content: lines({
      answerKey: "B",
      id: "1afa02df02c908a558b4036e80242fac",
      question: {
        question_concept: "door",
        choices: [
          { label: "A", text: "bank" },
          { label: "B", text: "library" },
        ],
        stem: "Where is a door?",
      },
    }),
    expected: {
      dataset: "csqa",
      task: "multiple-choice",
      question: "Where is a door?",
      gold: "B",
      id: "1afa02df02c908a558b4036e80242fac",
    },
  },
  "ARC-Challenge": {
    name: "arc/ARC-Challenge-Test.jsonl",
    content: lines({
      id: "Mercury_1",
      question: {
        stem: "Which?",
        choices: [
          { text: "one", label: "1" },
          { text: "two", label: "2" },
        ],
      },
      answerKey: "2",
    }),
    expected: { dataset: "arc-challenge", task: "multiple-choice", gold: "2", id: "Mercury_1" },
  },
  StrategyQA: {
    name: "strategyqa/train.json",
    content: JSON.stringify([
      {
        qid: "b8677",
        term: "x",
        description: "y",
        question: "Can fish walk?",
        answer: false,
        facts: [],
        decomposition: [],
      },
    ]),
    expected: { dataset: "strategyqa", id: "b8677", task: "yes-no", gold: "no", question: "Can fish walk?" },
  },
  "StrategyQA in BIG-bench": {
    name: "big-bench/task.json",
    content: JSON.stringify({
      name: "strategyqa",
      examples: [{ input: "Can fish walk?", target: "No. …", target_scores: { Yes: 0, No: 1 } }],
    }),
    expected: { dataset: "strategyqa", gold: "no", question: "Can fish walk?" },
  },
  BoolQ: {
    name: "boolq/dev.jsonl",
    content: lines({ question: "is it so", title: "T", answer: true, passage: "It is so." }),
    expected: { dataset: "boolq", task: "yes-no", gold: "yes", passage: "It is so." },
  },
  "BoolQ in SuperGLUE": {
    name: "superglue/val.jsonl",
    content: lines({ question: "is it so", passage: "It is so.", idx: 0, label: false }),
    expected: { dataset: "boolq", task: "yes-no", gold: "no", passage: "It is so." },
  },
  "CommonsenseQA at Hugging Face": {
    name: "hugging-face/validation.jsonl",
    content: lines({
      id: "1afa02",
      question: "Where is a door?",
      question_concept: "door",
      choices: { label: ["A", "B"], text: ["bank", "library"] },
      answerKey: "B",
    }),
    expected: { dataset: "csqa", id: "1afa02", gold: "B", question: "Where is a door?" },
  },
  "ARC-Challenge at Hugging Face": {
    name: "ARC-Challenge/test-00000-of-00001.jsonl",
    content: lines({
      id: "Mercury_7175875",
      question: "Which?",
      choices: { text: ["one", "two"], label: ["A", "B"] },
      answerKey: "A",
    }),
    expected: { dataset: "arc-challenge", task: "multiple-choice", gold: "A", id: "Mercury_7175875" },
  },
  SVAMP: {
    name: "svamp/SVAMP.json",
    content: JSON.stringify([
      {
        ID: "chal-1",
        Body: "Ann had 4 pens",
        Question: "How many has she?",
        Equation: "4",
        Answer: 4.0,
        Type: "Sum",
      },
    ]),
    expected: {
      dataset: "svamp",
      id: "chal-1",
      task: "math",
      question: "Ann had 4 pens. How many has she?",
      gold: "4",
    },
  },
  "MATH in one file": {
    name: "math/test.jsonl",
    content: lines({
      problem: "What is $1/2$?",
      solution: "It is \\boxed{\\frac{1}{2}}.",
      answer: "\\frac{1}{2}",
      subject: "Algebra",
      level: 1,
      unique_id: "test/algebra/1.json",
    }),
    expected: { dataset: "math", id: "test/algebra/1.json", task: "math", gold: "\\frac{1}{2}" },
  },
};

for (const [name, { name: where, content, expected }] of Object.entries(published)) {
  test(`${name} is read as it is published`, async () => {
    const { questions } = await read(where, content);
    assert.equal(questions.length, 1);
    const found: object = questions[0]!;
    assert.deepEqual({ ...found, ...expected }, found);
  });
}

test("MATH's folder of files is read in order of their names, each answer out of its last box", async () => {
  const solution =
    "First \\boxed{1}, then \\fbox 7, so $\\boxed{\\left\\{x \\mid x \\ge \\frac12\\right\\}}$.";
  file(
    "MATH/test/algebra/10.json",
    JSON.stringify({ problem: "b", level: "Level 1", type: "Algebra", solution }),
  );
  file(
    "MATH/test/algebra/1.json",
    JSON.stringify({ problem: "a", level: "Level 1", type: "Algebra", solution: "\\boxed 7" }),
  );
  const { questions } = await readQuestions(path.join(folder, "MATH"), options);
  assert.deepEqual(
    questions.map(({ id, gold, dataset }) => [id, gold, dataset]),
    [
      ["math-test/algebra/1", "7", "math"],
      ["math-test/algebra/10", "\\left\\{x \\mid x \\ge \\frac12\\right\\}", "math"],
    ],
  );
});

const own = (id: string, more: object = {}) => ({ id, question: `What is ${id}?`, answer: "4", ...more });

test("the one layout for all: use, choices as texts, gzip, numbers as answers", async () => {
  const content = lines(
    own("q1", { use: "eval" }),
    own("q2", { use: "train" }),
    own("q3", { choices: ["no", "four"], answer: "b" }),
    { question: "How many?", answer: 5 },
  );
  const { questions, otherUse } = await read("own.jsonl.gz", gzipSync(content));
  assert.deepEqual(
    questions.map(({ dataset, gold, task }) => [dataset, gold, task]),
    [
      ["own", "4", "math"],
      ["own", "B", "multiple-choice"],
      ["own", "5", "math"],
    ],
  );
  assert.equal(otherUse, 1);
  assert.equal((await read("own2.jsonl", content, { use: "train" })).questions.length, 1);
  assert.equal((await read("own3.jsonl", content, { use: "all" })).questions.length, 4);
  assert.equal((await read("own4.jsonl", content, { dataset: "GSM8K" })).questions[0]?.dataset, "gsm8k");
});

test("a broken line is named, and passed over when told to be", async () => {
  const content = lines(
    own("q1"),
    '{"id": "q2", "question": ',
    own("q3", { answer: null }),
    own("q1"),
    "[1]",
    own("q4"),
  );
  const where = file("broken.jsonl", content);
  await assert.rejects(() => readQuestions(where, options), {
    code: "MAGDI_BAD_FILE",
    message: /broken\.jsonl:2: expected a JSON record, .*--on-bad-line skip/,
  });
  const { questions, skipped } = await readQuestions(where, { ...options, onBadRecord: "skip" });
  assert.deepEqual(
    questions.map(({ id }) => id),
    ["q1", "q4"],
  );
  assert.equal(skipped.length, 4);
  assert.match(skipped[1]!, /broken\.jsonl:3: answer: expected a text, found null/);
  assert.match(skipped[2]!, /broken\.jsonl:4: id: expected a unique one, found that of .*broken\.jsonl:1/);
  assert.match(skipped[3]!, /broken\.jsonl:5: expected a question's record/);
});

test("a broken line is named whatever its use would have been", async () => {
  await assert.rejects(
    () => read("use.jsonl", lines(own("q1", { use: "train" }), '{"id": "q2", '), { use: "train" }),
    {
      message: /use\.jsonl:2: expected a JSON record/,
    },
  );
});

test("a first line that is broken does not make the file something else", async () => {
  const { questions, skipped } = await read(
    "first.jsonl",
    lines('{"id": "q0", ', "", '{"id": ', own("q1"), own("q2")),
    {
      onBadRecord: "skip",
    },
  );
  assert.equal(questions.length, 2);
  assert.match(skipped[0]!, /first\.jsonl:1: expected a JSON record/);
  assert.match(skipped[1]!, /first\.jsonl:3: expected a JSON record/);
});

test("what cannot be asked is refused: an answer that is no choice, a choice twice, a gold that is no number", async () => {
  const message = async (record: object) =>
    (await read("wrong.jsonl", lines(record), { onBadRecord: "skip" })).skipped[0] ?? "";
  assert.match(
    await message(own("a", { choices: ["x", "y"], answer: "E" })),
    /answer: expected a choice's label/,
  );
  assert.match(
    await message(
      own("a", {
        choices: [
          { label: "A", text: "x" },
          { label: "A", text: "y" },
        ],
        answer: "A",
      }),
    ),
    /labels that differ/,
  );
  assert.match(await message({ question: "q", answer: "so #### many" }), /expected a number, found "many"/);
  assert.match(await message({ problem: "p", solution: "no box" }), /\\boxed/);
});

test("the explanation of an answer is read from the field that its benchmark has it in", async () => {
  const explained = async (record: object) =>
    (await read("explained.jsonl", lines({ ...own("q"), ...record }))).questions[0]?.explanation;
  assert.equal(
    await explained({ answer: "He sold 48/2 = <<48/2=24>>24 clips.\n#### 24" }),
    "He sold 48/2 = 24 clips.",
  );
  assert.equal(await explained({ solution: "Twice 24 is <<2*24=48>>48." }), "Twice 24 is 48.");
  assert.equal(await explained({ problem: "p", solution: "It is \\boxed{4}." }), "It is \\boxed{4}.");
  assert.equal(
    await explained({ answer: true, qid: "q", facts: ["Fish swim.", "Legs walk. "] }),
    "Fish swim. Legs walk.",
  );
  assert.equal(await explained({ abstractive_explanation: "Doors open." }), "Doors open.");
  assert.equal(await explained({ solution: 4, facts: [] }), undefined, "neither is a text");
});

test("a question without an id is called by its words, wherever it stands", async () => {
  const records = ["one", "two", "one"].map((word) => ({ question: `What is ${word}?`, answer: "4" }));
  const ids = async (name: string, content: string) =>
    (await read(name, content)).questions.map(({ id }) => id);
  const [one, two, again] = await ids("unnamed.jsonl", lines(...records));
  assert.equal(new Set([one, two, again]).size, 3);
  assert.equal(again, `${one}-2`);
  assert.deepEqual(await ids("unnamed/unnamed.jsonl", lines(...records.slice(1))), [two, one]);
});

test("a name that is no benchmark's makes a data set of its own", async () => {
  const published = { id: "m", question: { stem: "Which?", choices: ["x", "y"] }, answerKey: "A" };
  const datasetIn = async (name: string, dataset: string | null = null) =>
    (await read(name, lines(published), { dataset })).questions[0]?.dataset;
  assert.equal(await datasetIn("ARC-Easy-Test.jsonl"), "ARC-Easy-Test");
  assert.equal(await datasetIn("obqa.jsonl"), "obqa");
  assert.equal(await datasetIn("names/test.jsonl"), "arc-challenge");
  assert.equal(await datasetIn("names/dev.jsonl", "ARC-Easy"), "ARC-Easy");
  assert.equal(await datasetIn("names/dev.jsonl", "arc_challenge"), "arc-challenge");
  assert.equal((await read("math23k.jsonl", lines(own("q1")))).questions[0]?.dataset, "math23k");
  assert.equal((await read("math-500.jsonl", lines(own("q1")))).questions[0]?.dataset, "math");
});

test("a limit takes as many of each data set, spread over it and over all files", async () => {
  const content = (from: number, to: number) =>
    lines(...Array.from({ length: to - from }, (_, index) => own(`q${from + index}`)));
  const ten = await read("limit.jsonl", content(0, 10));
  const taken = (files: Parameters<typeof limitQuestions>[0], limit: number) =>
    limitQuestions(files, limit).map(({ questions }) => questions.map(({ id }) => id));
  assert.deepEqual(taken([ten], 4), [["q2", "q4", "q7", "q9"]]);
  assert.deepEqual(taken([ten], 40)[0]?.length, 10);
  const parts = await Promise.all(
    [content(0, 6), content(6, 10)].map((part, index) => read(`${index}/limit.jsonl`, part)),
  );
  assert.deepEqual(taken(parts, 4), [
    ["q2", "q4"],
    ["q7", "q9"],
  ]);
});

test("a file that is not there is said to be missing", async () => {
  await assert.rejects(() => readQuestions(path.join(folder, "nothing.jsonl"), options), {
    code: "MAGDI_FILE_MISSING",
  });
});
