// What is wrong with a table is said at once, by field; what is right is resolved.

import assert from "node:assert/strict";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { rowEvaluation, rowTraining } from "../../src/experiment/table.ts";
import { readTable } from "../../src/experiment/table-file.ts";
import { scratchFolder } from "../support/scratch-folder.ts";

const scratch = scratchFolder();
const mags = path.join(scratch, "mags.jsonl");
const questions = path.join(scratch, "questions.jsonl");
writeFileSync(mags, "");
writeFileSync(questions, "");

const GOOD = {
  title: "Levels",
  base: "base",
  tasks: {
    sums: { data: [mags], questions: [questions], evaluation: { max_tokens: 40 } },
    words: { data: [mags], questions: [questions] },
    unseen: { questions: [questions] },
  },
  training: { learningRate: 0.001, maxSteps: 4 },
  evaluation: { limit: 5 },
  seeds: [0, 1],
  against: "Base",
  rows: [
    { name: "Base", recipe: "base" },
    { name: "R0", recipe: "magdi-r0", training: { maxSteps: 8 } },
    { name: "Joint", recipe: "magdi-mt", data: "all", seeds: [7], against: "row above" },
    { name: "One", recipe: "sit-x", data: "words", base: "other" },
    { name: "Ten samples", student: "R0", evaluation: { samples: 10 } },
  ],
};

function read(table: object) {
  const file = path.join(scratch, "table.json");
  writeFileSync(file, JSON.stringify(table));
  return readTable(file);
}

function problems(table: object): string[] {
  try {
    read(table);
  } catch (error) {
    assert.ok(error instanceof Error);
    const [, told = ""] = error.message.split("table.json: ");
    return told.split("; ");
  }
  assert.fail("expected problems, found none");
}

test("rows become students of their data, and tasks that these are asked", () => {
  const table = read(GOOD);
  const told = table.rows.map(({ name, folder, parts, seeds, against, makes }) => ({
    ...{ name, folder, seeds, against, makes },
    parts: parts.map(({ name: part, taught, asked }) => `${part}: ${taught.join()} > ${asked.join()}`),
  }));
  const each = ["sums: sums > sums", "words: words > words"];
  const all = "sums,words,unseen";
  assert.deepEqual(told, [
    {
      name: "Base",
      folder: "base",
      seeds: [0],
      against: null,
      makes: "Base",
      parts: [`untaught:  > ${all}`],
    },
    { name: "R0", folder: "r0", seeds: [0, 1], against: "Base", makes: "R0", parts: each },
    {
      ...{ name: "Joint", folder: "joint", seeds: [7], against: "R0", makes: "Joint" },
      parts: [`all: sums,words > ${all}`],
    },
    {
      name: "One",
      folder: "one",
      seeds: [0, 1],
      against: "Base",
      makes: "One",
      parts: [`words: words > ${all}`],
    },
    { name: "Ten samples", folder: "ten-samples", seeds: [0, 1], against: "Base", makes: "R0", parts: each },
  ]);
});

test("a row's settings are over the table's, and those over the recipe's", () => {
  const table = read(GOOD);
  const [, level, , one, ten] = table.rows;
  const { maxSteps, learningRate, rounds, base } = rowTraining(table, level!);
  assert.deepEqual([maxSteps, learningRate, rounds, base], [8, 0.001, "first", "base"]);
  assert.deepEqual(rowTraining(table, one!).agents, ["x"]);
  assert.equal(rowTraining(table, one!).base, "other");
  const { samples, limit, max_tokens } = rowEvaluation(table, ten!, "sums");
  assert.deepEqual([samples, limit, max_tokens], [10, 5, 40]);
});

test("fields and settings that are wrong are all named at once", () => {
  const found = problems({
    ...GOOD,
    title: "",
    extra: 1,
    training: { learningRat: 1, seed: 3, maxSteps: "many" },
    evaluation: { samples: 0 },
    engine: { batchRows: 1 },
    rows: [{ name: "Base", recipe: "base", training: { batchSize: 0 }, evaluation: { maxTokens: 3 } }, {}],
  });
  assert.deepEqual(found, [
    'title: expected a text of at least 1 characters, found ""',
    "rows.1.name: expected a text, found nothing",
    "expected no field extra",
    "training.seed: decided by seeds",
    "leave it out",
    "training.learningRat is not a setting",
    "did you mean learningRate?",
    'training.maxSteps: expected a whole number from 1, found "many"',
    "evaluation.samples: expected a whole number from 1, found 0",
    "engine.batchRows: expected a whole number from 2, found 1",
    "rows.0.training.batchSize: expected a whole number from 1, found 0",
    "rows.0.evaluation.maxTokens is not a setting",
    "did you mean max_tokens?",
  ]);
});

test("names that belong to nothing, or to two, and files that are not there are all named at once", () => {
  const none = path.join(scratch, "none.jsonl");
  const found = problems({
    ...GOOD,
    tasks: { ...GOOD.tasks, each: { data: [none] } },
    seeds: [1, 1],
    against: "Nobody",
    rows: [
      { name: "A, B", recipe: "magdi" },
      { name: "a b", recipe: "magdi", student: "C" },
      { name: "C" },
      { name: "D", student: "D", seeds: [3], training: { maxSteps: 1 } },
      { name: "E", recipe: "magdi", data: ["unseen", "lost"], series: "s", paper: { accuracy: { lost: 1 } } },
      { name: "F", recipe: "magdi", against: "Z" },
    ],
  });
  assert.deepEqual(found, [
    'tasks.each: expected another name: this one has a meaning, found "each"',
    `tasks.each.data.0: expected a file that is there, found ${JSON.stringify(none).slice(0, 60)}`,
    'rows.0.name: expected a name without commas, which --only has between rows, found "A, B"',
    'rows.1.name: expected a name that differs from that of rows.0 in a letter or a digit, found "a b"',
    'rows.1: expected a recipe, or another row\'s name as student, found "both"',
    'rows.2: expected a recipe, or another row\'s name as student, found "neither"',
    'rows.3.student: expected another row\'s name (A, B, a b, C, E, F), found "D"',
    'rows.3.student: expected a row with a recipe of its own, found "D"',
    "rows.3.seeds: expected nothing: its students are another row's, found [3]",
    'rows.3.training: expected nothing: its students are another row\'s, found {"maxSteps":1}',
    'rows.4.data: expected a task that has data, found "unseen"',
    'rows.4.data: expected each, all or tasks (sums, words, unseen, each), found "lost"',
    'rows.4.paper.accuracy: expected tasks (sums, words, unseen, each), found "lost"',
    "rows.4.x: expected a number: the row has a series, found nothing",
    'rows.5.against: expected another row\'s name (A, B, a b, C, D, E), found "Z"',
    "seeds: expected each seed once, found [1,1]",
    'against: expected "row above" or a row\'s name, found "Nobody"',
  ]);
});

test("a recipe that there is not, and settings that do not go together, are named by row", () => {
  const found = problems({
    ...GOOD,
    evaluation: { samples: 4, temperature: 0 },
    against: null,
    rows: [{ name: "A", recipe: "magdy", data: "sums" }],
  });
  assert.match(found[0]!, /^rows\.0: recipe: expected one of base, .*, found "magdy"$/);
  assert.match(found[1]!, /^rows\.0, task sums: .*temperature/);
});

test("the tables that ship are right, once their data are there", () => {
  const folder = path.join(import.meta.dirname, "../../experiments");
  const files = readdirSync(folder).filter((name) => name.endsWith(".json"));
  assert.ok(files.length >= 8);
  const there = path.join(scratch, "data");
  for (const kind of ["mags", "questions"]) {
    mkdirSync(path.join(there, kind), { recursive: true });
    for (const task of ["strategyqa", "csqa", "arc-challenge", "gsm8k", "math", "svamp", "boolq"]) {
      writeFileSync(path.join(there, kind, `${task}.jsonl`), "");
    }
  }
  const before = process.cwd();
  process.chdir(there);
  try {
    for (const file of files) assert.ok(readTable(path.join(folder, file)).rows.length > 1, file);
  } finally {
    process.chdir(before);
  }
});

test("a file that is none is one line", () => {
  assert.throws(() => readTable(path.join(scratch, "nowhere.json")), { code: "MAGDI_FILE_MISSING" });
  assert.throws(() => read([]), { code: "MAGDI_BAD_FILE", message: /expected an object, found \[\]$/ });
});
