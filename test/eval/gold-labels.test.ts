// Right answers that records name by numbers: yes and no as 1 and 0, and choices by their places, which count from 0 or from 1
// as the data set, or the file's other records, tell.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { readQuestions } from "../../src/eval/question-file.ts";
import { importedRecord } from "../../src/mag/import-formats.ts";
import { scratchFolder } from "../support/scratch-folder.ts";

const folder = scratchFolder();

async function golds(name: string, records: readonly object[]) {
  const file = path.join(folder, name);
  writeFileSync(file, records.map((record) => JSON.stringify(record)).join("\n"));
  const { questions } = await readQuestions(file, { dataset: null, use: "eval", onBadRecord: "stop" });
  return questions.map(({ gold, task }) => (task === "multiple-choice" ? gold : `${task} ${gold}`));
}

const refused = (message: RegExp) => ({ code: "MAGDI_BAD_FILE", message });

test("yes and no as labels: SuperGLUE's BoolQ, and answers of yes-no benchmarks", async () => {
  const boolq = { question: "is water wet", passage: "Water is wet.", idx: 0 };
  const labels = [1, 0, "1", "0", true, false, "True", "False"];
  assert.deepEqual(
    await golds(
      "val.jsonl",
      labels.map((label, idx) => ({ ...boolq, question: `is ${idx}`, label })),
    ),
    labels.map((_, at) => (at % 2 === 0 ? "yes-no yes" : "yes-no no")),
  );
  await assert.rejects(
    golds("test.jsonl", [{ ...boolq, label: -1 }]),
    refused(/label: expected true or false, 1 or 0, found -1/),
  );
  assert.deepEqual(await golds("boolq.jsonl", [{ question: "is it", passage: "It is.", answer: 1 }]), [
    "yes-no yes",
  ]);
  assert.deepEqual(await golds("strategyqa.jsonl", [{ question: "Is it?", answer: "0" }]), ["yes-no no"]);
  await assert.rejects(
    golds("boolq-2.jsonl", [{ question: "is it", answer: 2 }]),
    refused(/answer: expected true or false/),
  );
});

test("GSM8K's number with what may stand around it", async () => {
  const answers = ["4.", "4.\n", "$1,234.", "4.0.", "**4**", "−4", "4.50"];
  assert.deepEqual(
    await golds(
      "gsm8k.jsonl",
      answers.map((end, at) => ({ question: `2+${at}?`, answer: `x\n#### ${end}` })),
    ),
    ["4", "4", "1234", "4", "4", "-4", "4.50"].map((gold) => `math ${gold}`),
  );
  await assert.rejects(
    golds("gsm8k-2.jsonl", [{ question: "2+2?", answer: "x\n#### 4. apples" }]),
    refused(/expected a number/),
  );
});

test("published benchmarks count as they count", async () => {
  const cases: Record<string, readonly [object, string]> = {
    piqa: [{ goal: "Boil eggs", sol1: "use water", sol2: "use sand", label: 1 }, "B"],
    hellaswag: [{ ind: 4, ctx: "A man", endings: ["sits", "runs", "eats", "flies"], label: "3" }, "D"],
    copa: [
      { premise: "It rained.", choice1: "wet", choice2: "dry", question: "effect", idx: 0, label: 0 },
      "A",
    ],
    mmlu: [{ subject: "law", question: "Which?", choices: ["w", "x", "y", "z"], answer: 1 }, "B"],
    "mmlu-letters": [{ subject: "law", question: "Which?", choices: ["w", "x", "y", "z"], answer: "B" }, "B"],
    winogrande: [{ qID: "q", sentence: "The _ fits.", option1: "cup", option2: "box", answer: "1" }, "A"],
    siqa: [
      { context: "Al ran.", question: "Why?", answerA: "a", answerB: "b", answerC: "c", label: "3" },
      "C",
    ],
    arc: [
      {
        id: "Mercury_1",
        question: {
          stem: "Which?",
          choices: [
            { text: "one", label: 1 },
            { text: "two", label: 2 },
          ],
        },
        answerKey: 2,
      },
      "2",
    ],
    openbookqa: [
      {
        id: "7-980",
        question_stem: "The sun",
        choices: { text: ["a", "b"], label: ["A", "B"] },
        answerKey: "B",
      },
      "B",
    ],
  };
  for (const [name, [record, gold]] of Object.entries(cases)) {
    assert.deepEqual(await golds(`${name}.jsonl`, [record]), [gold], name);
  }
  await assert.rejects(
    golds("piqa-test.jsonl", [{ goal: "x", sol1: "a", sol2: "b", label: -1 }]),
    refused(/label: expected the place of a choice, 0 to 1, found -1/),
  );
  await assert.rejects(
    golds("wino.jsonl", [{ sentence: "_", option1: "a", option2: "b", answer: "0" }]),
    refused(/1 to 2, found "0"/),
  );
});

test("places in the one layout count as the file's other records tell; where none tells they are refused", async () => {
  const of = (answer: unknown, at: number) => ({
    id: `q${at}`,
    question: `Which ${at}?`,
    choices: ["red", "green", "blue"],
    answer,
  });
  assert.deepEqual(await golds("zero.jsonl", [1, "2", 0, "B"].map(of)), ["B", "C", "A", "B"]);
  assert.deepEqual(await golds("one.jsonl", [1, 2, 3].map(of)), ["A", "B", "C"]);
  assert.deepEqual(await golds("words.jsonl", ["green"].map(of)), ["B"]);
  await assert.rejects(
    golds("either.jsonl", [1, 2].map(of)),
    refused(/:1: answer: expected a choice's label, found 1, which may count from 0 or from 1/),
  );
  await assert.rejects(
    golds("both.jsonl", [0, 3].map(of)),
    refused(/found 0, and the number of choices at .*:2; write the labels/),
  );
  await assert.rejects(golds("far.jsonl", [4].map(of)), refused(/expected a choice's label, found 4/));
  const numbers = { question: "2+2?", choices: ["3", "4", "2"], answer: "2" };
  await assert.rejects(golds("numbers.jsonl", [numbers]), refused(/expected a choice's label, found "2"/));
});

test("transcripts whose places count from 0 are refused, not read one too far", () => {
  const record = { question: "Which?", choices: ["red", "green"], agents: [{ agent: "a", reasoning: "x" }] };
  const read = (gold: unknown, choices = record.choices) =>
    importedRecord({ ...record, choices, gold }, "transcripts", "t:1");
  assert.throws(() => read(0), refused(/^t:1: gold: expected .*from 1, found 0/));
  assert.equal(read(2).choices?.[1]?.label, "2");
  assert.equal(read("0", ["0", "1"]).choices?.[0]?.label, "A");
});
