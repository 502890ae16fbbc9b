// Records without their questions, as ReConcile's code leaves them, and the questions that they are joined with.

import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { importMagsCommand } from "../../src/cli/train-import-mags.ts";
import { loadMags } from "../../src/mag/mag-file.ts";
import { scratchFolder } from "../support/scratch-folder.ts";

const folder = scratchFolder();
let files = 0;

function written(content: string | Buffer | readonly object[], name = "dump.jsonl"): string {
  const file = path.join(folder, `${files++}-${name}`);
  const isRaw = typeof content === "string" || Buffer.isBuffer(content);
  writeFileSync(file, isRaw ? content : `${content.map((record) => JSON.stringify(record)).join("\n")}\n`);
  return file;
}

/** The MAGs' file. */
async function imported(t: { mock: { method: typeof import("node:test").mock.method } }, ...args: string[]) {
  t.mock.method(console, "log", () => {});
  const out = path.join(folder, `${files++}-mags.jsonl`);
  const code = await importMagsCommand.run([...args, "--out", out]);
  return { code, out };
}

const choices = ["bank", "library", "park"].map((text, index) => ({ label: "ABC"[index], text }));
const QUESTIONS = [
  { id: "q1", question: "Where is a door?", choices, answer: "B" },
  { id: "q2", question: "Can fish walk?", passage: "Some can.", answer: "yes" },
  { id: "q3", question: "What is 3 + 4?", answer: 7 },
  { id: "q4", question: "What is 4 + 4?", answer: 8, use: "eval" },
];

/** As ReConcile's run.py writes it, with what it adds to the outputs. */
function dumped(gold: string, said: string, later: string) {
  const output = (answer: string) => ({ reasoning: `It is ${answer}.`, answer, confidence_level: 0.9 });
  return {
    gold_answer: gold,
    claude_output_0: output(said),
    gpt3_output_0: output(gold),
    bard_output_0: output(gold),
    claude_pred_0: said,
    claude_exp_0: `I think the answer is ${said} because It is ${said}. My confidence level is 0.9.`,
    vote_0: [said, gold, gold],
    exps_0: ["", "", ""],
    weighted_vote_0: { [said]: 0.80001, [gold]: 1.60001 },
    weighted_max_0: gold,
    debate_prompt_0: "There are 2 agents …",
    majority_ans_0: gold,
    claude_output_1: output(later),
    gpt3_output_1: output(gold),
    bard_output_1: output(gold),
  };
}
const DUMP = [dumped("2", "3", "2"), dumped("yes", "no", "no"), dumped("7", "8", "7"), dumped("8", "9", "8")];

test("ReConcile's records are joined by place: choices counted from 1, passages, and no question for evaluation", async (t) => {
  const dump = written(DUMP);
  const questions = ["--questions", written(QUESTIONS, "some.jsonl"), "--questions-by", "position"];
  const { code, out } = await imported(t, dump, ...questions);
  assert.equal(code, 0);
  const mags = await loadMags([out], { use: "train" });
  assert.deepEqual(
    mags.map(({ question, task, gold, passage, benchmark }) => [question, task, gold, passage, benchmark]),
    [
      ["Where is a door?", "multiple-choice", "2", null, mags[0]?.benchmark],
      ["Can fish walk?", "yes-no", "yes", "Some can.", mags[0]?.benchmark],
      ["What is 3 + 4?", "math", "7", null, mags[0]?.benchmark],
    ],
  );
  assert.match(mags[0]?.benchmark ?? "", /some$/);
  assert.deepEqual(mags[0]?.choices?.[1], { label: "2", text: "library" });
  for (const { nodes, edges } of mags) {
    assert.deepEqual(
      nodes.map(({ agent, round }) => `${agent}${round}`),
      ["claude0", "gpt30", "bard0", "claude1", "gpt31", "bard1"],
    );
    assert.equal(edges.length, 9);
  }
  assert.deepEqual(
    mags.map(({ nodes }) => nodes.map(({ label }) => label).join("")),
    ["011111", "011011", "011111"],
  );
});

test("joined by id they may come in any order, and need no right answer of their own", async (t) => {
  const { gold_answer: _, ...first } = dumped("B", "C", "B");
  const dump = written([
    { ...dumped("7", "8", "7"), question_id: "q3" },
    { ...first, id: "q1" },
    { ...dumped("yes", "no", "yes"), id: "q2", question: "can fish  walk?" },
  ]);
  const { out } = await imported(t, dump, "--questions", written(QUESTIONS));
  const mags = await loadMags([out], { use: "train" });
  assert.deepEqual(
    mags.map(({ question, gold, nodes }) => [question, gold, nodes.map(({ label }) => label).join("")]),
    [
      ["What is 3 + 4?", "7", "011111"],
      ["Where is a door?", "B", "011111"],
      ["Can fish walk?", "yes", "011111"],
    ],
  );
});

test("what does not fit together is said, with its place, and nothing is written", async (t) => {
  const questions = written(QUESTIONS);
  const others = written([{ id: "q1", question: "Who?", answer: "she" }]);
  const withId = (id: string) => ({ ...DUMP[0], id });
  const cases: [readonly object[], string[], RegExp][] = [
    [
      DUMP,
      [questions],
      /:1: id: expected that of a question of --questions, found none; .*--questions-by position$/,
    ],
    [[withId("q9")], [questions], /:1: id: expected that of a question of --questions, found q9$/],
    [
      [withId("q1"), withId("q1")],
      [questions],
      /:2: id: expected each record's own, found q1, which .*:1 has$/,
    ],
    [
      [withId("q1")],
      [questions, others],
      /:1: id: expected that of one question .* found q1, which .* and .* have$/,
    ],
    [[...DUMP, DUMP[0]!], [questions, "position"], /:5: expected at most 4 records, .* found record 5$/],
    [
      DUMP.slice(1),
      [questions, "position"],
      /:1: gold_answer: expected that of question q1, "B", found "yes"; are --questions the questions of this file\?$/,
    ],
    [
      [dumped("3", "2", "3")],
      [questions, "position"],
      /gold_answer: expected that of question q1, "B", found "3"/,
    ],
    [[{ ...withId("q1"), question: "Where?" }], [questions], /:1: question: expected that of question q1/],
    [
      [{ question: "q", gold: "1", agents: [] }],
      [questions],
      /--questions: expected records of AGENT_output_ROUND/,
    ],
  ];
  for (const [records, given, message] of cases) {
    const isByPosition = given.at(-1) === "position";
    const named = isByPosition ? given.slice(0, -1) : given;
    const by = isByPosition ? ["--questions-by", "position"] : [];
    const out = path.join(folder, "none.jsonl");
    const run = importMagsCommand.run([
      written(records),
      "--questions",
      named.join(","),
      ...by,
      "--out",
      out,
    ]);
    await assert.rejects(run, { message }, String(message));
    assert.equal(existsSync(out), false);
  }
  // A line that cannot be read would move all behind it.
  const broken = written(`${JSON.stringify(DUMP[0])}\n{"gold\n${JSON.stringify(DUMP[1])}\n`);
  const skipping = ["--broken", "skip", "--questions", questions, "--questions-by", "position"];
  await assert.rejects(imported(t, broken, ...skipping), { message: /:2: expected a JSON record/ });
});

test("a pickle is refused by name, with what to do", async (t) => {
  // What Python's pickle.dumps([{"gold_answer": "2"}]) writes, in protocols 4 and 0.
  const binary = Buffer.from(
    "8004951b000000000000005d947d948c0b676f6c645f616e73776572948c013294738661942e",
    "hex",
  );
  const text = "(lp0\n(dp1\nVgold_answer\np2\nV2\np3\nsa.";
  for (const file of [written(binary, "SQA_round_2"), written(text, "SQA_round_2.pkl")]) {
    await assert.rejects(imported(t, file), ({ message }: Error) => {
      assert.match(message, /expected JSON records, found a Python pickle, .*python3 -c '.*pickle\.load/);
      return message.endsWith(`${file} > ${file}.jsonl`);
    });
  }
  const named = written(JSON.stringify({ ...DUMP[2], question: "What is 3 + 4?" }), "json.pkl");
  const { out } = await imported(t, named);
  assert.equal(readFileSync(out, "utf8").split("\n").length, 2, "JSON by another name is read");
});
