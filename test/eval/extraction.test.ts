// Recorded outputs judged: what is a program, what states nothing, and who is wrong where reading and record differ.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import {
  agreementOf,
  countOutputs,
  extractionTable,
  type JudgedOutput,
  judgeOutputs,
} from "../../src/eval/extraction.ts";
import { scratchFolder } from "../support/scratch-folder.ts";

const folder = scratchFolder();

const output = (reasoning: string, answer: string | null) => ({ agent: "a", round: 0, reasoning, answer });
const RECORDS = [
  {
    question_id: "gsm8k-test-1",
    gold: "90000",
    agents: [
      output("Step 1. 3 * 30,000. The answer is 90,000.", "90000"),
      output("Therefore, the answer is $90,000.", "90"),
      output("The answer is 90,000, not 5.", "5"),
      output("The answer is 70, from 90000.", "90000"),
      output("The answer is 70.", "60"),
      output("3 * 30000 = 90000", "90000"),
      output("total = 3\nans = total * 30000\nreturn ans", "90000"),
      output("No record, no verdict. The answer is 3.", null),
    ],
  },
  {
    question_id: "csqa-1",
    gold: "B",
    choices: [
      { label: "A", text: "bank" },
      { label: "B", text: "library" },
    ],
    agents: [output("The answer is (B).", "B"), output("The answer is (A) or (B).", "A")],
  },
  {
    question_id: "strategyqa-1",
    gold: "yes",
    agents: [output("So yes.", "yes"), output("There is no evidence of it being true for fish.", "no")],
  },
];

test("outputs are counted by what became of them", async () => {
  const file = path.join(folder, "agents.jsonl");
  writeFileSync(file, RECORDS.map((record) => JSON.stringify(record)).join("\n"));
  const outputs: JudgedOutput[] = [];
  for await (const output of judgeOutputs(file)) outputs.push(output);
  assert.deepEqual(
    outputs.map(({ kind }) => kind),
    [
      ...["agree", "fragment", "read right", "recorded right", "neither right", "unstated", "program"],
      ...["agree", "unread"],
      ...["agree", "unstated"],
    ],
  );
  const [gsm8k, csqa] = countOutputs(outputs);
  assert.deepEqual([gsm8k?.recorded, gsm8k?.unstatedAgree, csqa?.unread], [7, 1, 1]);
  assert.deepEqual(agreementOf(gsm8k!), { stated: 1 / 5, sound: 1 / 3 });
  assert.match(extractionTable([gsm8k!]), /\| GSM8K \| 7 \| 1 \| 1 \(1\) \| 5 \| 20\.00 \|.*\| 33\.33 \|/);
});
