// The tokens per second of an evaluation over those of the engine given the same requests at once, in alternating
// pairs in one process, and what holds on a busy machine too: the steps that each took, and the share of the time that
// the engine was in one. node --import tsx loadtest/eval-throughput.ts --data FILE... [--questions 200] [--samples 10]
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { renderPrompt } from "../src/asking/prompts.ts";
import { resolveQuestion } from "../src/asking/question.ts";
import { openStudent } from "../src/asking/student.ts";
import { systemClock } from "../src/base/clock.ts";
import { DEFAULT_STUDENT } from "../src/base/package-files.ts";
import { seedOf } from "../src/eval/answer-record.ts";
import { UNKNOWN_IDENTITY } from "../src/eval/asker.ts";
import { askedOf, engineAsker } from "../src/eval/engine-asker.ts";
import { readQuestionFiles } from "../src/eval/evaluation.ts";
import { Journal } from "../src/eval/journal.ts";
import { runQuestions } from "../src/eval/runner.ts";
import { evalSettings } from "../src/eval/settings.ts";
import { encodeChat } from "../src/text/chat-prompt.ts";

const { values } = parseArgs({
  options: {
    data: { type: "string", multiple: true, default: [] as string[] },
    model: { type: "string", default: DEFAULT_STUDENT },
    questions: { type: "string", default: "200" },
    samples: { type: "string", default: "10" },
    "max-tokens": { type: "string" },
    threads: { type: "string", default: "2" },
    rows: { type: "string", default: "32" },
    pairs: { type: "string", default: "1" },
  },
});
const [samples, batchRows] = [Number(values.samples), Number(values.rows)];
const settings = evalSettings({
  samples,
  limit: Number(values.questions),
  ...(values["max-tokens"] === undefined ? {} : { max_tokens: Number(values["max-tokens"]) }),
});
const questions = (await readQuestionFiles(values.data, settings)).flatMap((file) => file.questions);
const steps = { count: 0, seconds: 0 };
const student = await openStudent(values.model, {
  batchRows,
  threads: Number(values.threads),
  queueSamples: questions.length * samples,
  maxSamples: samples,
  onStep({ seconds }) {
    steps.count += 1;
    steps.seconds += seconds;
  },
});

interface Measured {
  readonly tokensPerSecond: number;
  readonly steps: number;
  readonly busy: number;
}

async function measured(ask: () => Promise<number>): Promise<Measured> {
  Object.assign(steps, { count: 0, seconds: 0 });
  const startMs = systemClock.nowMs();
  const tokens = await ask();
  const seconds = (systemClock.nowMs() - startMs) / 1000;
  return { tokensPerSecond: tokens / seconds, steps: steps.count, busy: steps.seconds / seconds };
}

/** Everything submitted at once, and nothing done with what comes back. */
async function bare(): Promise<number> {
  const results = await Promise.all(
    questions.map(
      (question, index) =>
        student.engine.submit({
          id: String(index),
          promptTokens: encodeChat(student, renderPrompt(question)),
          samples,
          sampling: resolveQuestion(askedOf(settings, question, seedOf(settings, question))).sampling,
          queueTimeoutMs: Number.POSITIVE_INFINITY,
          timeoutMs: Number.POSITIVE_INFINITY,
        }).done,
    ),
  );
  return results.flatMap((result) => result.samples).reduce((sum, one) => sum + one.tokenIds.length, 0);
}

async function evaluated(): Promise<number> {
  const folder = mkdtempSync(path.join(tmpdir(), "magdi-eval-"));
  const model = { ...UNKNOWN_IDENTITY, name: "engine", kind: "folder" } as const;
  const journal = Journal.open(path.join(folder, "journal.jsonl"), {}, { fresh: true });
  const records = await runQuestions({
    questions,
    settings,
    asker: engineAsker(student, batchRows, model, settings),
    journal,
    clock: systemClock,
    signal: new AbortController().signal,
  });
  journal.close();
  rmSync(folder, { recursive: true });
  return records.flatMap((record) => record.samples).reduce((sum, one) => sum + (one.tokens ?? 0), 0);
}

for (let pair = 0; pair < Number(values.pairs); pair++) {
  const [first, second] = pair % 2 === 0 ? [bare, evaluated] : [evaluated, bare];
  const both = [await measured(first), await measured(second)];
  const [engine, evaluation] = (pair % 2 === 0 ? both : both.toReversed()) as [Measured, Measured]; // two were put in
  for (const [name, one] of Object.entries({ engine, evaluation })) {
    const share = (100 * one.busy).toFixed(2);
    console.log(
      `${name}: ${one.tokensPerSecond.toFixed(1)} tokens/s, ${one.steps} steps, ${share} % of the time in them`,
    );
  }
  console.log(`ratio ${(evaluation.tokensPerSecond / engine.tokensPerSecond).toFixed(3)}`);
}
await student.engine.close();
