// What a line of a file of MAGs may be, and what is said when it is not: fields are also broken at random.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { MagdiError } from "../../src/base/errors.ts";
import { checked } from "../../src/base/files/json-file.ts";
import { loadMags } from "../../src/mag/mag-file.ts";
import { type Mag, magSchema } from "../../src/mag/mag-schema.ts";
import { seededRandom } from "../../src/train/batches/seeded-random.ts";
import { trainingBatch } from "../../src/train/batches/training-batch.ts";
import { scratchFolder } from "../support/scratch-folder.ts";
import { sampleMag } from "./support/sample-mag.ts";

const folder = scratchFolder();

function file(name: string, mags: readonly unknown[]): string {
  const at = path.join(folder, name);
  writeFileSync(at, mags.map((mag) => `${JSON.stringify(mag)}\n`).join(""));
  return at;
}

const problem = (value: unknown): string => {
  try {
    checked(magSchema, value, "mags.jsonl:7");
  } catch (error) {
    assert.ok(error instanceof MagdiError);
    assert.equal(error.code, "MAGDI_BAD_FILE");
    return error.message;
  }
  return "";
};

test("what was written is what is read", async () => {
  const mags = [sampleMag("one"), sampleMag("two")];
  assert.deepEqual(await loadMags([file("good", mags)], { use: "train" }), mags);
});

test("every wrong field is named, with what was expected and what was found", () => {
  const mag = sampleMag("q");
  const [node] = mag.nodes;
  for (const [value, message] of [
    [{ ...mag, gold: undefined }, "gold: expected a text, found nothing"],
    [{ ...mag, gold: "" }, 'gold: expected a text of at least 1 characters, found ""'],
    [
      { ...mag, task: "maths" },
      'task: expected "math" or "multiple-choice" or "yes-no" or "free", found "maths"',
    ],
    [{ ...mag, nodes: [{ ...node, label: true }], edges: [] }, "nodes.0.label: expected 0 or 1, found true"],
    [
      { ...mag, nodes: [{ ...node, round: 0.5 }], edges: [] },
      "nodes.0.round: expected a whole number, found 0.5",
    ],
    [
      { ...mag, nodes: [{ ...node, round: -1 }], edges: [] },
      "nodes.0.round: expected a number from 0, found -1",
    ],
    [{ ...mag, nodes: [], edges: [] }, "nodes: expected at least 1, found []"],
    [{ ...mag, extra: 1 }, "expected no field extra"],
    [{ ...mag, edges: [[0, 6]] }, "edges.0: expected two of the nodes 0 to 5, found [0, 6]"],
    [
      { ...mag, edges: [[1, 1]] },
      "edges.0: expected two nodes, found [1, 1]: a node hears itself without an edge",
    ],
    [
      {
        ...mag,
        edges: [
          [0, 3],
          [0, 3],
        ],
      },
      "edges.1: expected each edge once, found [0, 3] again",
    ],
    [{ ...mag, edges: [[0]] }, "edges.0: expected at least 2, found [0]"],
    [
      { ...mag, nodes: [node, node], edges: [] },
      "nodes.1: expected one node an agent and round, found a in round 0 twice",
    ],
    [[mag], `expected an object, found ${JSON.stringify([mag]).slice(0, 59)}…`],
    [
      { ...mag, question: 3, source: { origins: [], use: "test", terms: null } },
      'question: expected a text, found 3; source.origins: expected at least 1, found []; source.use: expected "train" or "eval", found "test"',
    ],
  ] as const) {
    assert.equal(problem(value), `mags.jsonl:7: ${message}`);
  }
});

test("an id twice and a question for evaluation name their lines", async () => {
  const twice = file("twice", [sampleMag("one"), sampleMag("two"), sampleMag("one")]);
  await assert.rejects(loadMags([twice], { use: "train" }), {
    message: `${twice}:3: id: expected each id once, found one in ${twice}:1 too`,
  });
  const mag = sampleMag("one");
  const evaluation = file("eval", [{ ...mag, source: { ...mag.source, use: "eval" } }]);
  await assert.rejects(
    loadMags([evaluation], { use: "train" }),
    /eval:1: source\.use: expected train, found eval/,
  );
  assert.equal((await loadMags([evaluation], { use: null })).length, 1);
});

test("fields broken at random are refused with their place, or make a graph that trains", () => {
  const random = seededRandom(20_240_201);
  const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)]!;
  const VALUES = [
    null,
    true,
    0,
    1,
    2,
    5,
    6,
    -1,
    0.5,
    1e300,
    "",
    "a",
    "7",
    [],
    [0],
    [0, 1],
    [[0, 1]],
    {},
    { a: 1 },
  ];
  let taken = 0;
  let refused = 0;
  for (let round = 0; round < 3000; round++) {
    const mag: unknown = structuredClone(sampleMag("q"));
    for (let changes = 0; changes <= random() * 3; changes++) breakSomething(mag, pick, VALUES, random);
    const message = problem(mag);
    if (message !== "") {
      refused += 1;
      assert.match(message, /^mags\.jsonl:7: .*(?:expected|found)/s);
      assert.ok(message.length < 2000, message);
      continue;
    }
    taken += 1;
    assertTrains(magSchema.parse(mag));
  }
  assert.ok(taken > 100 && refused > 1000, `${taken} taken, ${refused} refused`);
});

/** Puts another value in some place of a value, or takes the place away. */
function breakSomething(
  root: unknown,
  pick: <T>(items: readonly T[]) => T,
  values: readonly unknown[],
  random: () => number,
): void {
  let at = root;
  for (;;) {
    if (typeof at !== "object" || at === null) return;
    const places = at as Record<string, unknown>; // a list's places are its indices
    const key = pick(Object.keys(places));
    if (key === undefined) return;
    const next = places[key];
    if (typeof next === "object" && next !== null && random() < 0.8) {
      at = next;
      continue;
    }
    if (random() < 0.15) delete places[key];
    else places[key] = structuredClone(pick(values));
    return;
  }
}

/** Whatever the schema takes, Â is finite and its rows are those of the nodes. */
function assertTrains(mag: Mag): void {
  const rows = mag.nodes.map(({ label }) => ({ tokenIds: Int32Array.of(1, 2), promptLength: 1, label }));
  const batch = trainingBatch([{ id: mag.id, rows, edges: mag.edges }], { adjacency: "directed" });
  assert.equal(batch.adjacency.length, mag.nodes.length ** 2);
  assert.ok(batch.adjacency.every(Number.isFinite));
}

test("agents' outputs in the place of MAGs are told with the command that converts them", async () => {
  const outputs = [
    { question: "2+2?", gold: "4", agents: [{ agent: "a", reasoning: "4" }] },
    { question: "2+2?", gold_answer: "4", gpt_output_0: { reasoning: "4", answer: "4" } },
  ];
  for (const [at, record] of outputs.entries()) {
    const raw = file(`raw-${at}.jsonl`, [record]);
    await assert.rejects(loadMags([raw], { use: "train" }), {
      code: "MAGDI_BAD_FILE",
      message: `${raw}:1: expected a MAG, found agents' outputs; convert the file first: magdi train import-mags ${raw} --out mags.jsonl`,
    });
  }
});
