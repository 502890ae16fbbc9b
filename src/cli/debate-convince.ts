// magdi debate convince: arguments, progress and the output file; debate/collect-convincing.ts asks the agents.

import { z } from "zod";
import { systemClock } from "../base/clock.ts";
import { MagdiError } from "../base/errors.ts";
import { JsonLinesWriter } from "../base/files/json-lines-writer.ts";
import { bareFlag, files, numberThat, text, wholeNumber } from "../base/settings/kinds.ts";
import { helpLines } from "../base/settings/setting.ts";
import { CallJournal } from "../debate/call-journal.ts";
import { Caller } from "../debate/caller.ts";
import {
  type Collected,
  collectConvincing,
  type ExplainedQuestion,
  explainedQuestions,
} from "../debate/collect-convincing.ts";
import { DebateLedger } from "../debate/debate-ledger.ts";
import { DebatePrompts } from "../debate/debate-prompts.ts";
import { readQuestionFiles } from "../eval/evaluation.ts";
import { EXPLANATION_FIELDS } from "../eval/explanation.ts";
import { questionsOf } from "../mag/import-mags.ts";
import { questionKey } from "../mag/question-split.ts";
import { parseFlags, type Subcommand, usageError } from "./command.ts";
import { QUESTION_FLAGS } from "./debate-question-flags.ts";
import { assertPriced, ended, openedAgents } from "./debate-run.ts";
import { sumsText } from "./debate-sums.ts";
import { terminalProgress } from "./progress.ts";
import { StopSignals } from "./signals.ts";

const FLAGS = z.object({
  agents: text("a JSON file of agents", "FILE").exactOptional().describe("who will debate"),
  data: files("a file of questions")
    .exactOptional()
    .describe("questions for training with explanations that people wrote"),
  out: text("a file", "FILE")
    .exactOptional()
    .describe("the samples, one a line; the journal of calls stands beside it, as FILE.journal.jsonl"),
  samples: wholeNumber(1, 64).default(4).describe("wanted of each agent and data set"),
  seed: wholeNumber(0).default(0).describe("draws the order in which questions are asked"),
  prompts: text("a folder", "DIR")
    .nullable()
    .default(null)
    .describe("prompts that replace those of the same names"),
  ...QUESTION_FLAGS,
  maxCost: numberThat("a number above 0", (value) => value > 0)
    .nullable()
    .default(null)
    .describe("stop when so many dollars are spent, earlier runs included"),
  maxTokens: wholeNumber(1)
    .nullable()
    .default(null)
    .describe("stop when prompts and answers have so many tokens, earlier runs included"),
  fresh: bareFlag().describe("start over: throw away what an earlier run paid for"),
});
type Flags = z.output<typeof FLAGS>;

const HELP = `Usage: magdi debate convince --agents FILE --data FILE... --out FILE [options]

Collects convincing samples for magdi debate --convincing: questions that an agent answers wrongly alone, and rightly once
it is given the explanation that people wrote. Questions for evaluation are never asked. To continue an interrupted run,
run the same command again: no call is made twice.

${helpLines(FLAGS)}
`;

/** Resolves to the exit code: 0, 1 when the budget is used up, or 130 or 143 after a signal. */
async function run(argv: readonly string[]): Promise<number> {
  const { values } = parseFlags("debate convince", argv, FLAGS);
  const { agents: agentsFile, data, out, samples, seed } = values;
  if (agentsFile === undefined || data === undefined || out === undefined) {
    throw usageError("debate convince", "--agents FILE, --data FILE... and --out FILE");
  }
  const questions = await questionsToAsk(data, values);
  const prompts = DebatePrompts.load(values.prompts);
  const agents = await openedAgents(agentsFile);
  const stop = new StopSignals(() =>
    process.stderr.write("\nmagdi debate convince: ends after the running calls\n"),
  );
  const progress = terminalProgress(process.stderr);
  let journal: CallJournal | null = null;
  try {
    assertPriced(agents, values.maxCost);
    journal = CallJournal.open(`${out}.journal.jsonl`, { fresh: values.fresh ?? false });
    const ledger = new DebateLedger(agents, journal.lines);
    const caller = new Caller({
      ...{ agents, journal, ledger, clock: systemClock },
      budget: { maxTokens: values.maxTokens, maxUsd: values.maxCost },
      wallMs: Date.now,
      jitter: Math.random,
      signal: stop.signal,
    });
    const datasets = new Set(questions.map(({ dataset }) => dataset));
    const wanted = samples * agents.length * datasets.size;
    const collected = await collectConvincing(
      questions,
      { agents, prompts, caller, samples, seed },
      (found) => progress.report("samples", found, wanted, sumsText(ledger)),
    );
    progress.end();
    writeSamples(out, collected);
    process.stdout.write(
      `${collected.map((one) => lineText(one, samples)).join("\n")}\n${sumsText(ledger)}\n${out}\n`,
    );
    return ended(caller.halted, stop, "debate convince");
  } finally {
    progress.end();
    stop.close();
    journal?.close();
    await Promise.all(agents.map((agent) => agent.close()));
  }
}

/** Questions for training that no file has for evaluation, however it is spaced or capitalised there. */
async function questionsToAsk(data: readonly string[], values: Flags): Promise<ExplainedQuestion[]> {
  const read = await readQuestionFiles(data, { ...values, use: "train" }, "train");
  for (const problem of read.flatMap(({ skipped }) => skipped)) process.stderr.write(`skipped ${problem}\n`);
  const forEvaluation = new Set<string>();
  const ignore = (): void => {}; // said above
  for (const file of data) {
    for (const key of await questionsOf(file, (use) => use === "eval", ignore)) forEvaluation.add(key);
  }
  const all = read.flatMap((file) => file.questions);
  const explained = explainedQuestions(all).filter((question) => !forEvaluation.has(questionKey(question)));
  if (explained.length > 0) {
    const without = all.length - explained.length;
    if (without > 0)
      process.stderr.write(
        `${without} of ${all.length} questions cannot be used: they have no explanation, or are for evaluation too\n`,
      );
    return explained;
  }
  throw new MagdiError(
    "MAGDI_BAD_FILE",
    `${data.join(", ")}: expected questions with an explanation in one of the fields ${EXPLANATION_FIELDS.join(", ")}, found none in ${all.length}`,
  );
}

/** What there is, of a stopped run too. */
function writeSamples(out: string, collected: readonly Collected[]): void {
  const writer = new JsonLinesWriter(out);
  try {
    for (const sample of collected.flatMap(({ samples }) => samples)) writer.write(sample);
    writer.close();
    writer.commit();
  } catch (error) {
    writer.discard();
    throw error;
  }
}

function lineText({ agent, dataset, asked, questions, wrong, samples }: Collected, wanted: number): string {
  return `${agent}, ${dataset}: ${samples.length} of ${wanted} samples; ${asked} of ${questions} questions asked, ${wrong} answered wrongly`;
}

export const debateConvinceCommand: Subcommand = { help: HELP, run };
