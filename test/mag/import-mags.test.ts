// From records to graphs: labels, edges, cleaning, and which questions are never learned from.

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, test } from "node:test";
import { type ImportOptions, importMags, questionsOf } from "../../src/mag/import-mags.ts";
import { type Mag, magSchema } from "../../src/mag/mag-schema.ts";
import type { ImportCounts } from "../../src/mag/record-to-mag.ts";
import { seededRandom } from "../../src/train/batches/seeded-random.ts";
import { fixture, scratchFolder } from "../support/scratch-folder.ts";

const folder = scratchFolder();
const DYLAN = fixture("mags", "dylan_debate_math_test.jsonl");
const OPENAI = fixture("mags", "openai_gsm8k.jsonl");

function file(name: string, records: readonly unknown[]): string {
  const at = path.join(folder, name);
  writeFileSync(at, records.map((one) => (typeof one === "string" ? one : JSON.stringify(one))).join("\n"));
  return at;
}

async function imported(
  sources: readonly string[],
  options: ImportOptions = {},
): Promise<{ mags: Mag[]; counts: Map<string, ImportCounts> }> {
  const counts = new Map<string, ImportCounts>();
  const mags: Mag[] = [];
  for await (const mag of importMags(sources, options, counts)) {
    assert.deepEqual(magSchema.parse(mag), mag);
    mags.push(mag);
  }
  return { mags, counts };
}

/** "agent0@1 hears …" for each node that hears somebody. */
function hearing({ nodes, edges }: Mag): Record<string, string[]> {
  const name = (index: number): string => `${nodes[index]!.agent.split("/").at(-1)}@${nodes[index]!.round}`;
  const heard: Record<string, string[]> = {};
  for (const [from, to] of edges) {
    heard[name(to)] ??= [];
    heard[name(to)]!.push(name(from));
  }
  return heard;
}

describe("a collection's records", () => {
  test("of a debate become graphs with recomputed labels and edges in the order of speaking", async () => {
    const { mags, counts } = await imported([DYLAN]);
    assert.deepEqual(
      mags.map(({ id, task, benchmark }) => [id, task, benchmark]),
      [
        ["dylan_debate_math_test/math-test-101", "math", "math"],
        ["dylan_debate_math_test/math-test-961", "math", "math"],
      ],
    );
    const [first, second] = mags as [Mag, Mag];
    assert.deepEqual(
      first.nodes.map(({ label }) => label),
      [1, 0, 1, 0, 0, 0, 0],
    );
    assert.deepEqual(
      second.nodes.map(({ label }) => label),
      [0, 0, 0, 1, 1, 0, 0, 0, 0, 0],
    );
    assert.deepEqual(hearing(first), {
      "agent0@1": ["agent1@0", "agent2@0", "agent3@0"],
      "agent1@1": ["agent2@0", "agent3@0", "agent0@1"],
      "agent2@1": ["agent3@0", "agent0@1", "agent1@1"],
    });
    // Two were kept for round 2: agent 0 hears agent 3's round 1, agent 3 hears agent 0 at once.
    assert.deepEqual(hearing(second)["agent0@2"], ["agent3@1"]);
    assert.deepEqual(hearing(second)["agent3@2"], ["agent0@2"]);
    assert.equal(counts.get(DYLAN)!.relabelled, 0);
    // The collection took the last number, 3, for the answer (-7, 3).
    const { mags: reread } = await imported([DYLAN], { answers: "reread" });
    assert.deepEqual(
      reread[1]!.nodes.map(({ label }) => label),
      [1, 0, 1, 1, 1, 1, 1, 1, 1, 1],
    );
  });

  test("for evaluation are counted and never written, or written alone", async () => {
    const { mags, counts } = await imported([OPENAI]);
    assert.deepEqual(
      mags.map(({ id, source }) => [id, source.use]),
      [
        ["openai_gsm8k/gsm8k-test-1", "train"],
        ["openai_gsm8k/gsm8k-test-3", "train"],
      ],
    );
    assert.equal(counts.get(OPENAI)!.otherUse, 1);
    assert.equal(counts.get(OPENAI)!.edges, 0);
    const evaluation = await imported([OPENAI], { use: "eval" });
    assert.deepEqual(
      evaluation.mags.map(({ id, source }) => [id, source.use]),
      [["openai_gsm8k/gsm8k-test-0", "eval"]],
    );
  });

  test("ask no question that any source has for evaluation, however it is written there", async () => {
    const { question } = JSON.parse(readFileSync(OPENAI, "utf8").split("\n")[0]!);
    const copied = file("copied.jsonl", [
      { question: `  ${question.toUpperCase()}`, gold: "18", agents: [{ agent: "a", answer: "18" }] },
      { question: "Another?", gold: "18", agents: [{ agent: "a", answer: "18" }] },
    ]);
    for (const sources of [
      [OPENAI, copied],
      [copied, OPENAI],
    ]) {
      const { mags, counts } = await imported(sources);
      assert.deepEqual(
        mags.map(({ id }) => id).filter((id) => id.startsWith("copied")),
        ["copied/2"],
      );
      assert.equal(counts.get(copied)!.excludedQuestions, 1);
    }
    const excluded = await questionsOf(OPENAI, (use) => use === "eval");
    assert.equal((await imported([copied], { excluded })).mags.length, 1);
    assert.equal((await imported([copied])).mags.length, 2);
  });
});

describe("options", () => {
  const record = {
    id: "q",
    question: "3 + 4?",
    gold: "7",
    agents: [
      { agent: "a", round: 0, reasoning: "3 and 4 <<3+4=7>> make 7. The answer is 7.", answer: "8" },
      { agent: "b", round: 0, reasoning: "I think 8.", answer: "8" },
      { agent: "a", round: 1, reasoning: "I agree with you. It is 7.", answer: "7" },
      { agent: "b", round: 1, reasoning: "It is 7.", answer: null },
      { agent: "a", round: 4, reasoning: "It is 7.", answer: "7" },
      { agent: "a", round: 1, reasoning: "Again.", answer: "7" },
    ],
  };

  test("leave out later rounds and a second statement of a round, and hear everybody of the round before", async () => {
    const at = file("plain.jsonl", [record]);
    const { mags, counts } = await imported([at]);
    const [mag] = mags as [Mag];
    assert.deepEqual(
      mag.nodes.map(({ agent, round, reasoning, label }) => [`${agent}${round}`, reasoning, label]),
      [
        ["a0", "3 and 4  make 7. The answer is 7.", 0],
        ["b0", "I think 8.", 0],
        ["a1", "It is 7.", 1],
        ["b1", "It is 7.", 0],
      ],
    );
    assert.deepEqual(hearing(mag), { "a@1": ["a@0", "b@0"], "b@1": ["a@0", "b@0"] });
    const { repeatedNodes, echoesRemoved, annotationsRemoved, withoutAnswer, correct } = counts.get(at)!;
    assert.deepEqual(
      { repeatedNodes, echoesRemoved, annotationsRemoved, withoutAnswer, correct },
      { repeatedNodes: 1, echoesRemoved: 1, annotationsRemoved: 1, withoutAnswer: 1, correct: 1 },
    );
  });

  test("reread answers, choose agents and edges, and set what records do not say", async () => {
    const at = file("plain.jsonl", [record]);
    const { mags } = await imported([at], {
      answers: "reread",
      agents: ["a"],
      edges: "none",
      maxRound: 9,
      cleaning: "none",
      benchmark: "sums",
      task: "math",
      terms: "MIT",
    });
    const [mag] = mags as [Mag];
    assert.deepEqual(
      mag.nodes.map(({ round, label, answer }) => [round, label, answer]),
      [
        [0, 1, "7"],
        [1, 1, "7"],
        [4, 1, "7"],
      ],
    );
    assert.deepEqual(mag.edges, []);
    assert.match(mag.nodes[1]!.reasoning, /I agree/);
    assert.deepEqual([mag.benchmark, mag.source.terms], ["sums", "MIT"]);
    const none = await imported([at], { agents: ["nobody"] });
    assert.deepEqual(none.mags, []);
    assert.equal(none.counts.get(at)!.withoutNodes, 1);
  });

  test("a gold answer that is none of its task's labels nothing", async () => {
    const at = file("gold.jsonl", [{ ...record, choices: ["x", "y"], gold: "Z" }]);
    const { mags, counts } = await imported([at]);
    assert.deepEqual(mags, []);
    assert.equal(counts.get(at)!.unreadableGold, 1);
  });

  test("broken records stop the import, or are told and passed over", async () => {
    const at = file("broken.jsonl", [record, '{"question": "3', { ...record, agents: "none" }, record]);
    await assert.rejects(imported([at]), {
      code: "MAGDI_BAD_FILE",
      message: /broken\.jsonl:2: expected a JSON record/,
    });
    const told: string[] = [];
    const { mags, counts } = await imported([at], { onBroken: ({ message }) => told.push(message) });
    assert.deepEqual(
      mags.map(({ id }) => id),
      ["broken/q", "broken/q#2"],
    );
    assert.deepEqual(
      told.map((message) => message.slice(at.length)),
      [':2: expected a JSON record, found {"question": "3', ':3: agents: expected a list, found "none"'],
    );
    const { records, broken, mags: made } = counts.get(at)!;
    assert.deepEqual([records, broken, made], [4, 2, 2]);
  });
});

test("records broken at random are named with their line, or make graphs that can be read again", async () => {
  const random = seededRandom(6);
  const output = { reasoning: "So 7.", answer: "7" };
  const seeds: readonly unknown[] = [
    {
      question: "3 + 4?",
      gold: 7,
      use: "train",
      question_id: "q-1",
      choices: ["7", "8"],
      agents: [
        { agent: "a", round: 0, turn: 0, reasoning: "So 7.", answer: "A" },
        { agent: "b", round: 0, turn: 1, reasoning: "So 8.", answer: "B", correct: false },
        { agent: "a", round: 1, turn: 2, reasoning: "I agree.", answer: null },
      ],
    },
    {
      question: "3 + 4?",
      gold_answer: "7",
      options: null,
      a_output_0: output,
      b_output_0: output,
      a_output_1: output,
    },
  ];
  const VALUES = [
    null,
    true,
    0,
    1,
    -1,
    0.5,
    "",
    "a",
    "7",
    "A",
    [],
    ["x"],
    ["x", "y"],
    {},
    { label: "A", text: "" },
  ];
  for (const seed of seeds) {
    const records = Array.from({ length: 400 }, () => withSomethingBroken(seed, VALUES, random));
    const at = file("random.jsonl", records);
    const told: string[] = [];
    // Held to the schema, one by one.
    const { mags, counts } = await imported([at], { onBroken: ({ message }) => told.push(message) });
    const {
      records: read,
      broken,
      unreadableGold,
      withoutNodes,
      otherUse,
      excludedQuestions,
    } = counts.get(at)!;
    assert.equal(read, 400);
    assert.equal(broken, told.length);
    assert.equal(mags.length + broken + unreadableGold + withoutNodes + otherUse + excludedQuestions, 400);
    assert.ok(mags.length > 50 && broken > 50, `${mags.length} made, ${broken} broken`);
    for (const message of told) {
      const line = /^:(\d+): .*expected .*found/s.exec(message.slice(at.length));
      assert.ok(line !== null, message);
      assert.ok(Number(line[1]) >= 1 && Number(line[1]) <= 400);
    }
  }
});

/** A copy with none to two places changed or taken away. */
function withSomethingBroken(value: unknown, values: readonly unknown[], random: () => number): unknown {
  const copy: unknown = structuredClone(value);
  for (let changes = Math.floor(random() * 3); changes > 0; changes--) {
    let at = copy;
    for (;;) {
      const places = at as Record<string, unknown>; // objects and lists only get here
      const keys = Object.keys(places);
      const key = keys[Math.floor(random() * keys.length)];
      if (key === undefined) break;
      const next = places[key];
      if (typeof next === "object" && next !== null && random() < 0.8) {
        at = next;
        continue;
      }
      if (random() < 0.15) delete places[key];
      else places[key] = structuredClone(values[Math.floor(random() * values.length)]);
      break;
    }
  }
  return copy;
}

test("the authors' MAGs get the paper's edges, or those of the authors' code", async () => {
  const output = (answer: string) => ({ reasoning: `So ${answer}.`, answer });
  const record = Object.fromEntries([
    ["question", "Can fish walk?"],
    ["gold_answer", "no"],
    ...["claude", "gpt4", "bard"].flatMap((agent) =>
      [0, 1].map((round) => [`${agent}_output_${round}`, output(agent === "bard" ? "yes" : "no")]),
    ),
    ["bard_output_2", null],
  ]);
  const at = path.join(folder, "SQA_1000.json");
  writeFileSync(at, JSON.stringify([record], null, 2));
  const { mags } = await imported([at]);
  const [mag] = mags as [Mag];
  assert.equal(mag.task, "yes-no");
  assert.equal(mag.id, "SQA_1000/1");
  assert.deepEqual(
    mag.nodes.map(({ label }) => label),
    [1, 1, 0, 1, 1, 0],
  );
  assert.equal(mag.edges.length, 9);
  const { mags: released } = await imported([at], { edges: "released" });
  assert.deepEqual(hearing(released[0]!), {
    "claude@1": ["claude@0"],
    "gpt4@0": ["claude@1"],
    "gpt4@1": ["claude@0", "gpt4@0"],
    "bard@0": ["claude@1", "gpt4@1"],
    "bard@1": ["claude@0", "gpt4@0", "bard@0"],
  });
});
