// A whole tiny table with real students: interrupted, gone on with, changed, and counted again by hand.

import assert from "node:assert/strict";
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { type TestContext, test } from "node:test";
import { evalRun, runEvaluation } from "../../src/cli/eval-run.ts";
import { experimentCommand } from "../../src/cli/experiment.ts";
import { compareReports } from "../../src/eval/compare.ts";
import { engineSettings } from "../../src/eval/engine-asker.ts";
import { type Report, readReport } from "../../src/eval/report.ts";
import { assertUnchanged } from "../../src/experiment/origins.ts";
import { nameOf, planExperiment } from "../../src/experiment/plan.ts";
import type { ExperimentReport } from "../../src/experiment/results.ts";
import { runExperiment, sizesOf } from "../../src/experiment/run-experiment.ts";
import { readTable } from "../../src/experiment/table-file.ts";
import { writeExperimentReport } from "../../src/experiment/write-report.ts";
import { readRunLog } from "../../src/train/run/run-log.ts";
import { loadBaselines } from "../../src/voting/baselines.ts";
import { scratchFolder } from "../support/scratch-folder.ts";
import { writeTossingBase } from "../support/tossing-base.ts";
import { sumMag, writeSums } from "../train/support/sums.ts";

const scratch = scratchFolder();
const at = (...parts: readonly string[]) => path.join(scratch, ...parts);
const base = at("base");
const mags = at("sums.jsonl");
const questions = at("questions.jsonl");
writeTossingBase(base);
writeSums(mags, 12);
const asked = Array.from({ length: 6 }, (_, index) =>
  JSON.stringify({ id: `q-${index}`, question: `What is 2 plus 2, number ${index}?`, answer: "4" }),
);
writeFileSync(questions, `${asked.join("\n")}\n`);

const TABLE = {
  title: "Sums",
  base,
  tasks: { sums: { data: [mags], questions: [questions] } },
  training: {
    ...{ maxSteps: 3, batchSize: 4, validationShare: 0.2, threads: 1 },
    ...{ learningRate: 0.03, loraTargets: ["o_proj", "down_proj"] },
  },
  evaluation: { samples: 3, max_tokens: 6 },
  engine: { batchRows: 4, threads: 1, contextLength: 512 },
  seeds: [0, 1],
  against: "CN",
  rows: [
    { name: "CN", recipe: "magdi-cn", paper: { accuracy: { sums: 50 }, tokens: { sums: 100 } } },
    { name: "MAGDi", recipe: "magdi" },
  ],
};
type AnyTable = Omit<typeof TABLE, "rows"> & { readonly rows: readonly object[] };

interface Course {
  readonly table?: AnyTable;
  /** Interrupts at the first event that is this one. */
  readonly stopAt?: string;
  readonly deletesStudents?: boolean;
}

/** As the command does it. */
async function run(out: string, { table = TABLE, stopAt, deletesStudents = false }: Course = {}) {
  const file = `${out}.table.json`;
  writeFileSync(file, JSON.stringify(table));
  const plan = await planExperiment(readTable(file), out);
  const engine = engineSettings.parse(plan.table.engine);
  await assertUnchanged(plan, engine);
  mkdirSync(out, { recursive: true });
  const abort = new AbortController();
  const events: string[] = [];
  const happen = (event: string): void => {
    events.push(event);
    if (event === stopAt) abort.abort();
  };
  const isDone = await runExperiment({
    plan,
    engine,
    sizes: await sizesOf(plan, { onStage: () => {} }),
    signal: abort.signal,
    baselines: loadBaselines(null),
    version: "0",
    deletesStudents,
    watcher: {
      onStage: () => {},
      onTraining(student) {
        happen(`train ${nameOf(student)}`);
        return { onNote() {}, onData() {}, onValidation() {} };
      },
      onStep: (student, { step }) => happen(`step ${step} of ${nameOf(student)}`),
      onQuestion: ({ row, student }, { done }) => happen(`question ${done} of ${row}, ${student.seed}`),
      onAnswers: ({ row, student }) => happen(`asked ${row}, ${student.seed}`),
      async onStudent(student) {
        happen(`done ${nameOf(student)}`);
      },
    },
  });
  const report = await writeExperimentReport(plan, "0");
  return { isDone, events, report, plan };
}

const begun = (events: readonly string[]) => events.filter((event) => /^(train|asked)/.test(event));
const ofRow = (row: string) =>
  [0, 1].flatMap((seed) => [`train ${row}, sums, seed ${seed}`, `asked ${row}, ${seed}`]);

/** Interrupted after the first row, and gone on with. */
async function interruptedAndResumed() {
  const first = await run(at("whole"), { stopAt: "done CN, sums, seed 1" });
  const page = readFileSync(at("whole", "report.md"), "utf8");
  const kept = readFileSync(at("whole", "answers/cn/sums/seed-0/sums.timing.json"), "utf8");
  return { first, page, kept, rest: await run(at("whole")) };
}
let running: ReturnType<typeof interruptedAndResumed> | undefined;
/** Once for all tests. */
function whole(): NonNullable<typeof running> {
  running ??= interruptedAndResumed();
  return running;
}

test("interrupted after the first row it goes on with the second, and then has nothing to do", async () => {
  const { first, page, kept, rest } = await whole();
  assert.ok(!first.isDone && rest.isDone);
  assert.deepEqual(begun(first.events), ofRow("CN"));
  assert.match(page, /Not complete.*MAGDi lacks 2 of 2/);
  assert.deepEqual(begun(rest.events), ofRow("MAGDi"));
  assert.equal(readFileSync(at("whole", "answers/cn/sums/seed-0/sums.timing.json"), "utf8"), kept);
  assert.deepEqual((await run(at("whole"))).events, []);
});

test("the report has all rows, with the paper's numbers beside them", async () => {
  const { report } = (await whole()).rest;
  const written: ExperimentReport = JSON.parse(readFileSync(at("whole", "report.json"), "utf8"));
  assert.deepEqual(
    written.rows.map(({ row, missing, of }) => [row, missing, of]),
    [
      ["CN", 0, 2],
      ["MAGDi", 0, 2],
    ],
  );
  assert.deepEqual(report.rows[0]?.cells[0]?.paper, { accuracy: 0.5, tokens_per_answer: 100 });
  const page = readFileSync(at("whole", "report.md"), "utf8");
  assert.match(page, /^# Sums\n/);
  assert.ok(page.includes("## Beside the paper"));
  assert.match(page, /\| MAGDi \| CN \| sums \| 6 \| [+-]?\d+\.\d/);
  assert.ok(!page.includes("Not complete"));
});

/** Reports round to nine digits. */
const near = (found: number, expected: number): void =>
  assert.ok(Math.abs(found - expected) < 1e-8, `found ${found}, expected ${expected}`);

/** What the command writes, and no longer shows; the test runner's own bytes pass. */
function captured(t: TestContext, onText: (text: string) => void = () => {}) {
  const told = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    const stream = process[name];
    const write = stream.write.bind(stream);
    t.mock.method(stream, "write", (text: string | Uint8Array) => {
      if (typeof text !== "string") return write(text);
      told[name] += text;
      onText(text);
      return true;
    });
  }
  return told;
}

test("its numbers are those of magdi eval on the same students, and of eval compare", async (t) => {
  captured(t);
  const { report, plan } = (await whole()).rest;
  const byHand = new Map<string, Report["results"][number]>();
  for (const { row, student } of plan.answers) {
    const out = at(`${row}-${student.seed}.json`);
    const flags = "--samples 3 --max-tokens 6 --batch-rows 4 --threads 1 --context-length 512".split(" ");
    const code = await runEvaluation(
      evalRun(["--model", student.folder, "--data", questions, "--json", out, ...flags]),
    );
    assert.equal(code, 0);
    byHand.set(`${row} ${student.seed}`, readReport(out).results[0]!);
  }
  for (const { row, cells } of report.rows) {
    const [cell] = cells;
    const results = [0, 1].map((seed) => byHand.get(`${row} ${seed}`)!);
    for (const [index, { correct, accuracy, tokens_per_answer }] of results.entries()) {
      const found = cell?.seeds[index];
      assert.equal(found?.correct, correct);
      near(found.accuracy, accuracy);
      near(found.tokens_per_answer, tokens_per_answer ?? 0);
    }
    const [a, b] = results.map(({ accuracy }) => accuracy) as [number, number];
    near(cell?.accuracy ?? 0, (a + b) / 2);
    near(cell?.accuracy_sd ?? 0, Math.abs(a - b) / Math.SQRT2);
  }
  const all = [...byHand.values()].map(({ correct }) => correct);
  assert.ok(Math.max(...all) > Math.min(...all), `students that differ were expected, found ${all}`);
  // With the first seed alone nothing is run again, and the comparison is that of two reports.
  const one = await run(at("whole"), { table: { ...TABLE, seeds: [0] } });
  assert.deepEqual(one.events, []);
  const [expected] = compareReports(at("CN-0.json"), at("MAGDi-0.json"), 0);
  const { dataset: _dataset, ...compared } = expected!;
  assert.deepEqual(one.report.rows[1]?.cells[0]?.comparison, { against: "CN", ...compared });
  await run(at("whole")); // its report again
});

test("interrupted while it trains or asks it goes on from there, to the same bytes", async () => {
  const out = at("midway");
  assert.ok(!(await run(out, { stopAt: "step 2 of CN, sums, seed 0" })).isDone);
  const second = await run(out, { stopAt: "question 2 of CN, 0" });
  assert.ok(!second.isDone);
  assert.deepEqual(begun(second.events), ["train CN, sums, seed 0"]);
  assert.ok(!second.events.includes("step 2 of CN, sums, seed 0"), "no step is repeated");
  const third = await run(out, { stopAt: "done CN, sums, seed 0" });
  assert.deepEqual(begun(third.events), ["asked CN, 0"]);
  assert.ok(!third.events.includes("question 1 of CN, 0"), "no question is asked twice");
  const log = readRunLog(path.join(out, "students/cn/sums/seed-0/metrics.jsonl"));
  assert.deepEqual(
    log.flatMap((line) => (line.kind === "step" ? [line.step] : [])),
    [1, 2, 3],
  );
  await whole();
  for (const name of [
    "students/cn/sums/seed-0/student/onnx/model_quantized.onnx_data",
    "answers/cn/sums/seed-0/sums.answers.jsonl",
  ]) {
    assert.ok(readFileSync(path.join(out, name)).equals(readFileSync(at("whole", name))), name);
  }
});

test("rows that have changed are refused by name with what to do; new ones are just run", async () => {
  await whole();
  const out = at("changed");
  cpSync(at("whole"), out, { recursive: true });
  const changed = (table: AnyTable) => run(out, { table });
  const rows = [TABLE.rows[0]!, { ...TABLE.rows[1]!, training: { maxSteps: 4 } }];
  await assert.rejects(changed({ ...TABLE, rows }), (error: Error) => {
    assert.match(
      error.message,
      /\n {2}row MAGDi: .*maxSteps was 3 and is 4; to train it anew delete .*students.magdi and /,
    );
    assert.doesNotMatch(error.message, /row CN/);
    return true;
  });
  await assert.rejects(
    changed({ ...TABLE, evaluation: { ...TABLE.evaluation, samples: 5 } }),
    /row CN: samples was 3 and is 5; to ask its questions anew delete .*answers.cn\n {2}row MAGDi: samples/,
  );
  writeSums(at("more.jsonl"), 13);
  await assert.rejects(
    changed({ ...TABLE, tasks: { sums: { ...TABLE.tasks.sums, data: [at("more.jsonl")] } } }),
    /row CN: data \(sums\) has other contents; to train it anew/,
  );
  const more = [
    { name: "Base", recipe: "base" },
    { name: "Greedy", student: "MAGDi", evaluation: { samples: 1, temperature: 0 } },
  ];
  const { events, report } = await changed({ ...TABLE, rows: [...TABLE.rows, ...more] });
  assert.deepEqual(begun(events), [
    ...["asked Greedy, 0", "asked Greedy, 1"],
    ...["train Base, untaught, seed 0", "asked Base, 0"],
  ]);
  assert.deepEqual(
    report.rows.map(({ row, students_of, cells }) => [row, students_of, cells[0]?.seeds.length]),
    [
      ["CN", "CN", 2],
      ["MAGDi", "MAGDi", 2],
      ["Base", "Base", 1],
      ["Greedy", "MAGDi", 2],
    ],
  );
});

test("students that are deleted when they have answered are not made again", async () => {
  await whole();
  const out = at("deleted");
  cpSync(at("whole"), out, { recursive: true });
  const table = { ...TABLE, rows: TABLE.rows.slice(0, 1), seeds: [0] };
  const forget = () => rmSync(path.join(out, "answers"), { recursive: true });
  forget();
  assert.deepEqual(begun((await run(out, { table, deletesStudents: true })).events), ["asked CN, 0"]);
  const trained = path.join(out, "students/cn/sums/seed-0");
  assert.deepEqual(
    ["student", "best"].map((name) => existsSync(path.join(trained, name))),
    [false, true],
  );
  assert.deepEqual((await run(out, { table })).events, []);
  // Asked anew, it is written again of its adapter, without a step.
  forget();
  const { events } = await run(out, { table });
  assert.deepEqual(
    events.filter((event) => !event.startsWith("question")),
    ["train CN, sums, seed 0", "asked CN, 0", "done CN, sums, seed 0"],
  );
});

/** The command in this process. */
async function command(t: TestContext, argv: readonly string[], onText?: (text: string) => void) {
  const told = captured(t, onText);
  try {
    const code = await experimentCommand.run(argv);
    return { code, ...told };
  } finally {
    t.mock.restoreAll();
  }
}

test("--dry-run says what would be run, and writes nothing", async (t) => {
  const file = at("dry.json");
  writeFileSync(file, JSON.stringify(TABLE));
  const out = at("dry");
  const { code, stdout } = await command(t, [file, "--out", out, "--dry-run", "--only", "MAGDi"]);
  assert.equal(code, 0);
  assert.match(stdout, /\| MAGDi \| sums \| 0 \| to make \| 10 \| 3 \| \d+ \|/);
  assert.match(stdout, /\| MAGDi \| sums \| 1 \| sums \| to ask \| 6 \| 3 \| 6 \|/);
  assert.match(
    stdout,
    /2 of 2 students to make: at most 6 steps, \d+ tokens\. 2 of 2 evaluations to do: 36 samples/,
  );
  assert.doesNotMatch(stdout, /CN/);
  assert.ok(!existsSync(out));
  // Data and questions are held against each other.
  const learned = sumMag(0);
  writeFileSync(at("learned.jsonl"), JSON.stringify({ question: learned.question, answer: learned.gold }));
  const tasks = { sums: { data: [mags], questions: [questions, at("learned.jsonl")] } };
  writeFileSync(at("known.json"), JSON.stringify({ ...TABLE, tasks, evaluation: { dataset: "sums" } }));
  const { stderr } = await command(t, [at("known.json"), "--dry-run"]);
  assert.match(stderr, /row CN: 1 of 7 questions of sums are in its training data/);
  await assert.rejects(command(t, [file, "--out", out, "--only", "Nobody"]), {
    code: "MAGDI_BAD_CONFIG",
    message: "--only: expected rows of the table (CN, MAGDi), found Nobody",
  });
});

test("the command runs a row, tells how it went, and is stopped by a signal with how to go on", async (t) => {
  const file = at("command.json");
  writeFileSync(
    file,
    JSON.stringify({ ...TABLE, seeds: [0], figure: { x: "level" }, rows: [{ ...TABLE.rows[0], x: 2 }] }),
  );
  const out = at("command");
  const heard = { signal: false };
  const stopped = await command(t, [file, "--out", out], (text) => {
    if (heard.signal || !/steps: 1 of 3/.test(text)) return;
    heard.signal = true;
    process.emit("SIGINT", "SIGINT");
  });
  assert.equal(stopped.code, 130);
  assert.match(
    stopped.stderr,
    /stopped with 1 of 1 evaluations left; go on with: npx magdi experiment .*command\.json --out /,
  );
  const done = await command(t, [file, "--out", out]);
  assert.equal(done.code, 0);
  assert.match(done.stdout, /^CN: sums \d+\.\d %\n.*report\.md\n$/);
  assert.match(done.stderr, /CN, sums, seed 0: \d of 6 right, /);
  assert.match(readFileSync(path.join(out, "report.svg"), "utf8"), /^<svg/);
  assert.ok(!existsSync(path.join(out, "lock")));
});
