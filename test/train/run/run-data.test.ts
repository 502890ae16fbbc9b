// What each recipe and setting leaves of files of graphs.

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { before, test } from "node:test";
import { dataTexts } from "../../../src/cli/train-messages.ts";
import { openBase } from "../../../src/student/open-base.ts";
import type { StudentText } from "../../../src/train/batches/tokenised-mags.ts";
import type { TrainingData } from "../../../src/train/batches/training-data.ts";
import { studentText } from "../../../src/train/run/open-base-tokenizer.ts";
import { type RunData, readRunData } from "../../../src/train/run/run-data.ts";
import {
  resolveSettings,
  settledSettings,
  type TrainingSettings,
} from "../../../src/train/run/training-settings.ts";
import { writeRandomBase } from "../../support/random-base.ts";
import { scratchFolder } from "../../support/scratch-folder.ts";
import { sumMag, writeSums } from "../support/sums.ts";

const scratch = scratchFolder();
const [sums, few] = [path.join(scratch, "sums.jsonl"), path.join(scratch, "few.jsonl")];
writeSums(sums, 12);
writeSums(few, 4, 100);
writeRandomBase(path.join(scratch, "base"), { tokenizer: true });
const settledDefaults = { microBatchTokens: 10_000, dataFormat: "mags" } as const;
let text: StudentText;
const base = openBase(path.join(scratch, "base"));
before(async () => {
  text = await studentText(base);
});

function dataOf(values: Partial<TrainingSettings>): Promise<RunData> {
  const defaults = { data: [sums], validationShare: 0 };
  const settings = resolveSettings([{ nameOf: (key) => key, values: { ...defaults, ...values } }]);
  return readRunData(settledSettings(settings, base), text);
}

/** By group: items, rows (sequences), right rows, label tokens, pairs, nodes with a label. */
function contents(data: TrainingData): Record<string, Record<string, number>> {
  const groups: Record<string, Record<string, number>> = {};
  for (const [index, { group, rows }] of data.items.entries()) {
    const batch = data.batch([index], 0);
    groups[group] ??= { items: 0, rows: 0, labels: 0, pairs: 0, nodes: 0, edges: 0 };
    const sum = groups[group];
    const add = (key: string, count: number): void => {
      sum[key] = (sum[key] ?? 0) + count;
    };
    add("items", 1);
    add("rows", rows);
    add("labels", batch.labelIds.length > 0 ? 1 : 0);
    add("pairs", batch.pairs.length / 2);
    add("nodes", batch.nodeLabels.filter((label) => label >= 0n).length);
    add("edges", batch.adjacency.filter((weight) => weight > 0).length - batch.nodeLabels.length);
  }
  return groups;
}

// 12 graphs: 8 of four nodes (three right) and four edges, 4 of two nodes (one right).
const ALL = { rows: 40, right: 28, edges: 32, pairs: 8 * 3 + 4 };

test("every recipe keeps the nodes that it learns from", async () => {
  const apart = (count: number) => ({
    items: count,
    rows: count,
    labels: count,
    pairs: 0,
    nodes: count,
    edges: 0,
  });
  const graphs = {
    items: 12,
    rows: 12, // the chains of a graph behind one prompt
    labels: 12,
    pairs: ALL.pairs,
    nodes: ALL.rows,
    edges: ALL.edges,
  };
  const expected: Record<string, object> = {
    "sit-x": { chains: apart(20) },
    "sit-y": { chains: apart(8) },
    "dss-mt": { rationale: apart(ALL.right), label: apart(12) },
    "magdi-r0": { chains: apart(12) },
    "magdi-cn": { chains: apart(ALL.right) },
    "magdi-an": { chains: graphs },
    magdi: { chains: graphs },
    "magdi-mt": { chains: graphs },
    "magdi-undirected": { chains: { ...graphs, edges: 2 * ALL.edges } },
    "magdi-fully-connected": { chains: { ...graphs, edges: 8 * 12 + 4 * 2 } },
    "magdi-frozen": { chains: graphs },
    "magdi-without-densest": { chains: graphs },
  };
  for (const [recipe, groups] of Object.entries(expected)) {
    assert.deepEqual(contents((await dataOf({ recipe })).training.data), groups, recipe);
  }
});

test("so many graphs are drawn by the seed, and graph types left out", async () => {
  const names = async (values: Partial<TrainingSettings>) =>
    (await dataOf(values)).training.data.items.map(({ name }) => name);
  const five = await names({ recipe: "magdi-mags-5" });
  assert.equal(five.length, 5);
  assert.deepEqual(await names({ recipe: "magdi-mags-5" }), five);
  assert.notDeepEqual(await names({ recipe: "magdi-mags-5", seed: 3 }), five);
  assert.equal((await names({ leaveOutGraphs: ["G1"] })).length, 4);
});

test("files weigh the same where they are balanced", async () => {
  const { training } = await dataOf({ recipe: "magdi-mt", data: [sums, few] });
  const ofFew = training.data.items.filter(({ name }) => Number(name.slice("sum-".length)) >= 100);
  assert.deepEqual([ofFew.length, training.data.items.length], [12, 24]);
});

test("apart, each loss learns from items of its own", async () => {
  const { training } = await dataOf({ recipe: "magdi-released", maxTokens: 200 });
  const found = contents(training.data);
  assert.deepEqual(found, {
    "chains nll": { items: 28, rows: 28, labels: 28, pairs: 0, nodes: 0, edges: 0 },
    "chains margin": { items: 12, rows: 40, labels: 0, pairs: ALL.pairs, nodes: 0, edges: 0 },
    // Twelve of the released code's edges are between its first two agents' places.
    "chains node": { items: 12, rows: 96, labels: 0, pairs: 0, nodes: 96, edges: 12 * 12 },
  });
});

test("a prompt is computed once where nothing depends on each node's own sequence", async () => {
  const rows = async (values: Partial<TrainingSettings>) =>
    (await dataOf(values)).training.data.items.reduce((sum, item) => sum + item.rows, 0);
  assert.equal(await rows({}), 12);
  const apart: Partial<TrainingSettings>[] = [
    { sharedPrompts: false },
    { pooling: "padded" },
    { nodeClassifier: "token-attention" },
  ];
  for (const values of apart) assert.equal(await rows(values), ALL.rows, JSON.stringify(values));
});

test("answers that are not there are nodes of a third class, which only the classifier sees", async () => {
  const { training } = await dataOf({ missingNodes: "third-class" });
  const labels = training.data.items.map((_, item) => training.data.batch([item], 0));
  for (const { nodeLabels } of labels) assert.equal(nodeLabels.length, 8); // two agents, four rounds
  const third = labels.flatMap(({ nodeLabels }) => [...nodeLabels].filter((label) => label === 2n));
  assert.equal(third.length, 12 * 8 - ALL.rows);
  const without = (await dataOf({})).training.data;
  for (const [item, batch] of labels.entries()) {
    const plain = without.batch([item], 0);
    assert.deepEqual(batch.pairs, plain.pairs);
    assert.deepEqual(batch.labelIds, plain.labelIds);
  }
  await assert.rejects(
    async () => await dataOf({ nodeHead: "none", nodeClassifier: "node-attention" }),
    /nodeHead: expected linear with the node classifier node-attention, found none/,
  );
});

test("a token's weight counts the padding where pooling does", async () => {
  const weights = async (pooling: "tokens" | "padded") => {
    const { data } = (await dataOf({ pooling, sharedPrompts: false })).training;
    // Questions of one digit and of two differ in length.
    const batch = data.batch([0, 11], 0);
    const row = [...batch.lengths].findIndex((length) => length < batch.columns);
    const start = row * batch.columns;
    const length = batch.lengths[row]!;
    return {
      length,
      columns: batch.columns,
      own: [...batch.poolingWeights.subarray(start, start + batch.columns)],
    };
  };
  const tokens = await weights("tokens");
  const padded = await weights("padded");
  const { length, columns } = tokens;
  assert.ok(length < columns);
  const ratio = ({ own }: { own: number[] }): number => own[length - 1]! / own[0]!;
  assert.ok(Math.abs(ratio(tokens) - length) < 1e-3);
  assert.ok(Math.abs(ratio(padded) - columns / (columns - length + 1)) < 1e-3);
  for (const { own } of [tokens, padded]) {
    assert.ok(Math.abs(own.reduce((sum, weight) => sum + weight, 0) - 1) < 1e-6);
    assert.ok(own.slice(length).every((weight) => weight === 0));
  }
});

test("validation has its own questions, drawn or given", async () => {
  const drawn = await dataOf({ validationShare: 0.25 });
  assert.deepEqual([drawn.training.mags, drawn.validation?.mags], [9, 3]);
  const given = await dataOf({ data: [sums, few], validation: [few] });
  assert.deepEqual([given.training.mags, given.validation?.mags, given.alsoInValidation], [12, 4, 4]);
});

test("a single question is trained on, and validation that nothing is left of is none", async () => {
  const one = path.join(scratch, "one.jsonl");
  writeSums(one, 1);
  const { training, validation } = await dataOf({ data: [one], validationShare: 0.5 });
  assert.deepEqual([training.mags, validation], [1, null]);
  await assert.rejects(
    dataOf({ validation: [one], recipe: "magdi-without-densest", leaveOutGraphs: ["G1"] }),
    /^MagdiError: validation: /,
  );
});

/** A file of sums whose nodes are labelled by what their answers are. */
function writeLabelled(name: string, answers: readonly (readonly number[])[]): string {
  const file = path.join(scratch, name);
  const lines = answers.map((given, index) => {
    const mag = sumMag(index);
    const nodes = given.map((right, at) => ({
      ...mag.nodes[0]!,
      agent: `a${at}`,
      answer: right === 1 ? mag.gold : "99",
      label: right,
    }));
    return JSON.stringify({ ...mag, nodes, edges: [] });
  });
  writeFileSync(file, lines.join("\n"));
  return file;
}

test("graphs in which nothing can be learned are refused, with what there is", async () => {
  const wrong = writeLabelled("wrong.jsonl", [[0, 0], [0], [0, 0, 0]]);
  await assert.rejects(dataOf({ data: [wrong] }), {
    code: "MAGDI_BAD_CONFIG",
    message: `data: expected something to learn from in ${wrong}, found none: nll: no row is right; margin: no graph has right and wrong rows; node: all rows are wrong (6 rows of 3 MAGs)`,
  });
  await assert.rejects(
    dataOf({ data: [wrong], losses: ["nll"] }),
    /found none: nll: no row is right \(6 rows/,
  );
  await assert.rejects(dataOf({ data: [wrong], recipe: "magdi-cn" }), /recipe magdi-cn leave no MAGs/);
  const validation = dataOf({ validation: [wrong] });
  await assert.rejects(
    validation,
    /^MagdiError: validation: expected something to learn from in .*wrong\.jsonl/,
  );
});

test("a loss that has nothing to learn from is said, for training and for validation", async () => {
  const right = writeLabelled("right.jsonl", [[1, 1], [1]]);
  const { idleLosses, training } = await dataOf({ data: [right] });
  assert.deepEqual(idleLosses, [
    "training: margin: no graph has right and wrong rows",
    "training: node: all rows are right",
  ]);
  assert.deepEqual([training.taught.right, training.taught.wrong], [3, 0]);
  const mixed = await dataOf({ data: [sums], validation: [right] });
  assert.deepEqual(mixed.idleLosses, [
    "validation: margin: no graph has right and wrong rows",
    "validation: node: all rows are right",
  ]);
  assert.deepEqual((await dataOf({})).idleLosses, []);
  // Each kind of row is somewhere, but never in one graph.
  const apart = writeLabelled("apart.jsonl", [[1, 1], [0]]);
  assert.deepEqual((await dataOf({ data: [apart] })).idleLosses, [
    "training: margin: no graph has right and wrong rows",
  ]);
});

test("what is counted is what is learned from, not what the files hold", async () => {
  const long = path.join(scratch, "long.jsonl");
  const lines = Array.from({ length: 4 }, (_, index) => {
    const mag = sumMag(index);
    const words = "very ".repeat(index < 2 ? 200 : 0);
    return JSON.stringify({
      ...mag,
      nodes: mag.nodes.map((node) => ({ ...node, reasoning: `${words}${node.reasoning}` })),
    });
  });
  writeFileSync(long, lines.join("\n"));
  const data = await dataOf({ data: [long], maxTokens: 128 });
  const { mags, of, counts, taught } = data.training;
  assert.deepEqual([mags, of, counts.rowsDropped], [2, 4, 8]);
  assert.equal(taught.right + taught.wrong, counts.rows);
  const [line = "", left = ""] = dataTexts(data, { parameters: new Map() }, settledDefaults);
  assert.match(
    line,
    /^2 of 4 MAGs, 6 rows \(4 right, 2 wrong\), \d+ tokens for training; 0 MAGs for validation/,
  );
  assert.match(left, /8 rows that are too long/);
  writeFileSync(long, lines.slice(0, 1).join("\n"));
  await assert.rejects(
    dataOf({ data: [long], maxTokens: 128 }),
    /nothing is left of 1 MAGs; maxTokens is 128, and 0 prompts and 4 rows are longer/,
  );
});

test("a validation of which nothing is left is said", async () => {
  const file = path.join(scratch, "only-long.jsonl");
  const write = (longId: string): void => {
    const lines = Array.from({ length: 6 }, (_, index) => {
      const mag = sumMag(index);
      const reasoning = "very ".repeat(mag.id === longId ? 200 : 1);
      return JSON.stringify({ ...mag, nodes: mag.nodes.map((node) => ({ ...node, reasoning })) });
    });
    writeFileSync(file, lines.join("\n"));
  };
  write("none");
  const settings = { data: [file], validationShare: 0.1, maxTokens: 128 };
  const held = (await dataOf(settings)).validation?.data.items[0]?.name ?? "";
  write(held);
  const data = await dataOf(settings);
  assert.deepEqual([data.validation, data.validationLost, data.training.mags], [null, 1, 5]);
  const texts = dataTexts(data, { parameters: new Map() }, settledDefaults);
  assert.ok(texts.includes("no validation, and no early stop: nothing is left of 1 MAGs held out for it"));
});

test("what leaves nothing to learn from is said", async () => {
  await assert.rejects(dataOf({ recipe: "sit-z" }), /agents: expected some of x, y, found z/);
  await assert.rejects(
    dataOf({ maxTokens: 20 }),
    /nothing is left of 12 MAGs; maxTokens is 20, and 12 prompts/,
  );
  await assert.rejects(
    dataOf({ leaveOutGraphs: ["G0", "G1"] }),
    /^MagdiError: data: expected something to learn from in .*sums\.jsonl, found none: the settings of recipe magdi leave/,
  );
});

test("a text with a token that the base has no embedding of is named with its file and line", async () => {
  const folder = path.join(scratch, "short");
  writeRandomBase(folder, { tokenizer: true, config: { vocab_size: 602 } });
  const short = openBase(folder);
  const student = await studentText(short);
  const [clean, told] = [path.join(scratch, "clean.jsonl"), path.join(scratch, "told.jsonl")];
  writeSums(clean, 6);
  const lines = readFileSync(clean, "utf8").trim().split("\n");
  lines[3] = lines[3]!.replaceAll(" make ", " <tool> make ");
  writeFileSync(told, `${lines.join("\n")}\n`);
  const read = (values: Partial<TrainingSettings>) => {
    const defaults = { data: [clean], validationShare: 0, recipe: "magdi" };
    const settings = resolveSettings([{ nameOf: (key) => key, values: { ...defaults, ...values } }]);
    return readRunData(settledSettings(settings, short), student);
  };
  assert.equal((await read({})).training.mags, 6);
  const named = {
    code: "MAGDI_BAD_FILE",
    message: /told\.jsonl:4: .* row in the embedding, which has 602, found the token "<tool>" \(602\)/,
  };
  await assert.rejects(read({ data: [clean, told] }), named);
  await assert.rejects(read({ validation: [told] }), named);
  await assert.rejects(read({ data: [told], recipe: "dss-mt" }), named);
  short.close();
});
