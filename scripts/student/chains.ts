// The shipped student's training data: for each training question one or two right chains, from recorded agents or from
// reasons that a model wrote for the gold answer, cleaned to one style. Writes a transcripts file for each benchmark, which
// magdi train import-mags reads, and says what was left out.
//
//   node --import tsx scripts/student/chains.ts DATA REASONS.jsonl OUT BENCH:MOST …
//
// DATA has bench/*.jsonl and agents/open/*.jsonl.gz; REASONS is what scripts/student/reasons.ts wrote. MOST is how many
// questions of a benchmark are kept, always the same ones first; FROM-MOST leaves out those that an earlier run had.

import { createHash } from "node:crypto";
import { mkdirSync } from "node:fs";
import path from "node:path";
import { answersEqual, extractAnswer } from "../../src/answers/answer.ts";
import type { Task } from "../../src/answers/task.ts";
import { writeWholeFile } from "../../src/base/files/whole-file.ts";
import { Overlaps } from "./overlaps.ts";
import { type BenchQuestion, benchQuestions, records } from "./questions.ts";

interface Chain {
  readonly agent: string;
  readonly text: string;
}

interface Source {
  readonly bench: string;
  readonly task: Task;
  /** Files of agents/open, and of each the agents to take chains from, the preferred first. */
  readonly agents: readonly { readonly file: string; readonly agents: readonly string[] }[];
  readonly maxCharacters: number;
}

const SOURCES: readonly Source[] = [
  // SubQ's chains answer numbered questions that are not in them: a student that learned 66 wrote such ones, and wrongly.
  {
    bench: "gsm8k",
    task: "math",
    agents: [
      { file: "re2_gsm8k", agents: ["gpt-3.5-turbo/cot", "text-davinci-003/cot", "gpt-3.5-turbo+re2/cot"] },
    ],
    maxCharacters: 650,
  },
  {
    bench: "svamp",
    task: "math",
    agents: [{ file: "re2_svamp", agents: ["gpt-4o-mini/vanilla", "gpt-4o-mini/cot"] }],
    maxCharacters: 420,
  },
  {
    bench: "math_test",
    task: "math",
    agents: [
      {
        file: "dylan_debate_math_test",
        agents: [0, 1, 2, 3].map((agent) => `gpt-3.5-turbo-0301/agent${agent}`),
      },
    ],
    maxCharacters: 500,
  },
  { bench: "csqa", task: "multiple-choice", agents: [], maxCharacters: 200 },
  { bench: "arc_challenge", task: "multiple-choice", agents: [], maxCharacters: 260 },
  { bench: "strategyqa", task: "yes-no", agents: [], maxCharacters: 260 },
];

const [data, reasonsFile, out, ...counts] = process.argv.slice(2);
if (data === undefined || reasonsFile === undefined || out === undefined || counts.length === 0) {
  console.error("expected DATA REASONS.jsonl OUT BENCH:MOST …: see the head of this file");
  process.exit(2);
}
const wanted = new Map(counts.map((count) => count.split(":") as [string, string]));

const reasons = new Map<string, string>();
for await (const { id, text, finish } of records<{ id: string; text: string; finish: string }>(reasonsFile)) {
  if (finish === "stop") reasons.set(id, text);
}
mkdirSync(out, { recursive: true });
const overlaps = await Overlaps.of(data);
for (const source of SOURCES) if (wanted.has(source.bench)) await write(source);

async function write(source: Source): Promise<void> {
  const { bench, task } = source;
  const chains = await agentChains(source);
  const left = { questions: 0, eval: 0, nearEval: 0, withoutChain: 0 };
  const found: string[] = [];
  const questions = await benchQuestions(data!, bench);
  for (const question of questions.sort((a, b) => place(a.id) - place(b.id))) {
    if (question.use !== "train") {
      left.eval += 1;
      continue;
    }
    left.questions += 1;
    if (overlaps.isNear(question)) {
      left.nearEval += 1;
      continue;
    }
    const own = chains.get(question.id) ?? reasonOf(question, task, source.maxCharacters);
    if (own === null) {
      left.withoutChain += 1;
      continue;
    }
    found.push(JSON.stringify(transcript(question, task, bench, own)));
  }
  const [from = 0, most = found.length] = fromAndMost(wanted.get(bench)!);
  const transcripts = found.slice(from, most);
  writeWholeFile(path.join(out!, `${bench}.jsonl`), transcripts.map((line) => `${line}\n`).join(""));
  console.log(bench, { ...left, withChain: found.length, written: transcripts.length });
}

function transcript(question: BenchQuestion, task: Task, benchmark: string, { agent, text }: Chain) {
  return {
    id: question.id,
    benchmark,
    task,
    question: question.question,
    choices: question.choices,
    gold: question.answer,
    use: "train",
    agents: [{ agent, round: 0, reasoning: text, answer: question.answer }],
  };
}

/** The first right chain, of round 0, that is clean and short enough, by question. */
async function agentChains({ agents: files, task, maxCharacters }: Source): Promise<Map<string, Chain>> {
  const found = new Map<string, Chain>();
  for (const { file, agents } of files) {
    type Said = { agent: string; round: number; reasoning: string; correct: boolean };
    const recorded = path.join(data!, "agents/open", `${file}.jsonl.gz`);
    for await (const { question_id: id, gold, agents: said } of records<{
      question_id: string;
      gold: string;
      agents: Said[];
    }>(recorded)) {
      if (found.has(id)) continue;
      const right = said.filter(({ round, correct }) => round === 0 && correct);
      for (const agent of agents) {
        const own = right.find((node) => node.agent === agent);
        const text =
          own === undefined ? null : plainMath(own.reasoning, task, gold, file.startsWith("dylan"));
        if (text === null || text.length > maxCharacters || text.length < 40) continue;
        found.set(id, { agent, text });
        break;
      }
    }
  }
  return found;
}

/** A chain without Markdown and, unless `latex` may stay, without LaTeX; null where some is left, and where the answer
 * cannot be read out of it. */
function plainMath(reasoning: string, task: Task, gold: string, latex: boolean): string | null {
  let text = unboxed(reasoning).replace(/\*\*/g, "");
  if (!latex) {
    text = text
      .replace(/\s*\\\[\s*([\s\S]*?)\s*\\\]/g, "\n$1")
      .replace(/\\\(\s*([\s\S]*?)\s*\\\)/g, "$1")
      .replace(/\\text\{([^{}]*)\}/g, "$1")
      .replace(/\\d?frac\{([^{}]*)\}\{([^{}]*)\}/g, "$1 / $2")
      .replace(/\\times|\\cdot/g, "*")
      .replace(/\\div/g, "/")
      .replace(/\\([$%,])/g, "$1");
    if (/[\\{}]/.test(text)) return null;
  }
  text = text
    .replace(/[ \t]+/g, " ")
    .replace(/ *\n\s*/g, "\n")
    .trim();
  // What is left of a boxed answer after the last sentence.
  if (!latex) text = text.replace(/(?<=[.!?])\s+\$?[\d,.]+\.?$/, "");
  const read = extractAnswer(task, `${text}\nThe answer is ${gold}.`, { choices: null });
  return read !== null && answersEqual(task, read, gold, { choices: null }) ? text : null;
}

/** `\boxed{x}` → x, with braces inside it. */
function unboxed(text: string): string {
  return text.replace(/\$?\\boxed\{((?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*)\}\$?/g, "$1");
}

/** The reason that a model wrote for the gold answer; null where it is none to learn from. */
function reasonOf(question: BenchQuestion, task: Task, maxCharacters: number): Chain | null {
  const text = reasons.get(question.id)?.replace(/\s+/g, " ").trim();
  if (text === undefined || text.length < 12 || text.length > maxCharacters) return null;
  // It was told the answer, so talk of answers, choices and facts given gives that away.
  if (/\b(answer|option|choice|the facts?|the question|correct)\b/i.test(text)) return null;
  if (!/[.!?]$/.test(text) || /[`*#{}\\]/.test(text)) return null;
  const { choices } = question;
  const read = extractAnswer(task, `${text} The answer is ${question.answer}.`, { choices });
  if (read === null || !answersEqual(task, read, question.answer, { choices })) return null;
  return { agent: "gold-reason", text };
}

/** "300" → [0, 300], "300-700" → [300, 700] */
function fromAndMost(count: string): number[] {
  const [from = "0", most] = count.split("-");
  return most === undefined ? [0, Number(from)] : [Number(from), Number(most)];
}

/** A question's place in the order of all: by its id, the same in every run. */
function place(id: string): number {
  return createHash("sha256").update(id).digest().readUInt32BE(0);
}
