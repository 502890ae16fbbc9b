// A fuzzer over hostile runs, seeded: the time to read an answer grows linearly for every task, a megabyte is read in
// under 100 ms of processor time, and answers, choices and questions that are hostile themselves are read within bounds.
import assert from "node:assert/strict";
import { test } from "node:test";
import { answersEqual, canonicalAnswer, extractAnswer } from "../../src/answers/answer.ts";
import { type Choice, inferTask, TASKS, type Task, taskOf } from "../../src/answers/task.ts";
import { assertLinear, leastTime } from "../support/processor-time.ts";
import { SeededRandom } from "../text/seeded-random.ts";
import { FURTHER_PIECES, PIECES } from "./hostile-pieces.ts";

const UNITS = [...PIECES, ...FURTHER_PIECES];
const PREFIXES = ["", "The answer is ", "\\boxed{", "#### ", "x = ", "5", "A", "(", "$", "\n"];
const SUFFIXES = ["", "x", "5", "\n", "}", ".", " ", "$", ")", "\nThe answer is ", " The answer is (B)."];

interface Run {
  readonly prefix: string;
  readonly unit: string;
  readonly suffix: string;
}

/** Units alone, one in `every`, and `count` random ones between random ends. */
function runs(random: SeededRandom, count: number, every = 1): Run[] {
  const first = random.below(every);
  const alone = [...new Set(UNITS)]
    .filter((_, i) => i % every === first)
    .map((unit) => ({ prefix: "", unit, suffix: "" }));
  const mixed = Array.from({ length: count }, () => ({
    prefix: random.pick(PREFIXES),
    unit: Array.from({ length: 1 + random.below(3) }, () => random.pick(UNITS)).join(""),
    suffix: random.pick(SUFFIXES),
  }));
  return [...alone, ...mixed];
}

function textOf({ prefix, unit, suffix }: Run, length: number): string {
  return prefix + unit.repeat(Math.ceil((length - prefix.length - suffix.length) / unit.length)) + suffix;
}

function labelled(texts: readonly string[]): Choice[] {
  return texts.map((text, i) => ({ label: String.fromCharCode(65 + i), text }));
}

/** 26 choices: `texts` in turn, each with its index. */
function choicesOf(texts: readonly string[], index: (i: number) => string): Choice[] {
  return labelled(LETTERS.map((i) => `${texts[i % texts.length]}${index(i)}`));
}

const LETTERS = Array.from({ length: 26 }, (_, i) => i);
const CHOICES: Record<string, readonly Choice[]> = {
  words: choicesOf(["river", "the ocean floor", "a cat", "A. S. Byatt", "yes"], (i) => " x".repeat(i)),
  numbers: choicesOf([""], (i) => String(i * 7 + 1)),
  units: choicesOf([""], (i) => `${i}.5 cm`),
  formulas: choicesOf(["\\frac{1}{2}", "x > 5", "√5", "C++", "+ + +", "(((", "..."], String),
};

interface Reader {
  readonly name: string;
  readonly task: Task;
  readonly choices: readonly Choice[] | null;
}

const READERS: Reader[] = TASKS.flatMap((task): Reader[] =>
  task === "multiple-choice"
    ? Object.entries(CHOICES).map(([name, choices]) => ({ name: `${task} of ${name}`, task, choices }))
    : [{ name: task, task, choices: null }],
);

for (const [seed, { name, task, choices }] of READERS.entries()) {
  test(`${name}: time grows linearly, and a megabyte takes under 100 ms`, () => {
    for (const run of runs(new SeededRandom(seed), 20, task === "multiple-choice" ? 4 : 2)) {
      const shown = `${name}, ${JSON.stringify(run)}`;
      const read = (text: string) => void extractAnswer(task, text, { choices });
      assertLinear(read, (length) => textOf(run, length), 65_536, shown);
      const text = textOf(run, 1_000_000);
      const ms = leastTime(() => read(text), 100);
      assert.ok(ms < 100, `${shown}: ${ms} ms for a megabyte`);
    }
  });

  test(`${name}: a hostile answer has its key, and is compared, in linear time`, () => {
    const longest = [1990, 7990, 1_000_000];
    for (const run of runs(new SeededRandom(100 + seed), 20, 4)) {
      for (const length of longest) {
        const text = textOf(run, length);
        const ms = leastTime(() => {
          canonicalAnswer(task, text, { choices });
          answersEqual(task, text, `${text}1`, { choices });
        }, 100);
        assert.ok(ms < 100, `${name}, ${JSON.stringify(run)}: ${ms} ms for ${length}`);
      }
    }
  });
}

test("26 hostile choices: prepared, looked for in a hostile text, and compared in under 300 ms", () => {
  const random = new SeededRandom(26);
  for (const { prefix, unit, suffix } of runs(random, 20, 8)) {
    const length = random.pick([100, 300, 1900, 38_000]);
    const texts = LETTERS.map((i) =>
      textOf({ prefix: "", unit, suffix: random.pick([".", " ", "x"]) + i }, length),
    );
    const text = textOf({ prefix, unit, suffix }, 65_536);
    const ms = leastTime(() => {
      const choices = labelled(texts);
      extractAnswer("multiple-choice", text, { choices });
      canonicalAnswer("multiple-choice", text, { choices });
    }, 300);
    assert.ok(ms < 300, `${JSON.stringify(unit)}, ${length}: ${ms} ms`);
  }
});

test("a hostile question is given its task in under 100 ms", () => {
  for (const run of runs(new SeededRandom(9), 20, 3)) {
    const text = textOf(run, 1_000_000);
    const ms = leastTime(() => {
      inferTask(text);
      taskOf(text, null, text);
    }, 100);
    assert.ok(ms < 100, `${JSON.stringify(run)}: ${ms} ms`);
  }
});

test("numbers of any size, and formulas of any depth, are compared in under 100 ms", () => {
  const answers = [
    "9".repeat(1_000_000),
    `0.${"3".repeat(1_000_000)}`,
    "1e999999",
    "1e-999999",
    `10^{${"9".repeat(100)}}`,
    `1${"*10^{60}".repeat(240)}`,
    `\\frac{7${"*10^{60}".repeat(110)}}{3${"*10^{59}".repeat(110)}}`,
    `1${"/7".repeat(990)}`,
    `1/${Array.from({ length: 300 }, (_, i) => 1_000_003 + 2 * i).join("/")}`,
    `1${" million".repeat(200)}`,
    `${"\\frac{1}{".repeat(200)}3${"}".repeat(200)}`,
    `${"\\sqrt{".repeat(300)}3${"}".repeat(300)}`,
    `${"{".repeat(990)}3${"}".repeat(990)}`,
    `${"(".repeat(990)}3${")".repeat(990)}`,
    `x${"^{x".repeat(400)}${"}".repeat(400)}`,
    `x${"_{".repeat(900)}`,
    "\\text{".repeat(300),
    "\\left(".repeat(300),
    "\\begin{pmatrix}".repeat(120),
    "1,".repeat(990),
    `(${"1,".repeat(990)}`,
    `0.${"0".repeat(7_900)}5 km`,
  ];
  for (const task of TASKS) {
    for (const answer of answers) {
      const ms = leastTime(() => void answersEqual(task, answer, `${answer} `), 100);
      assert.ok(ms < 100, `${task}, ${answer.slice(0, 30)}: ${ms} ms`);
    }
  }
  // Beyond what is computed with, the writing counts.
  assert.ok(answersEqual("math", "9".repeat(1_000_000), "9".repeat(1_000_000)));
  assert.ok(!answersEqual("math", "9".repeat(1_000_000), `${"9".repeat(999_999)}8`));
});
