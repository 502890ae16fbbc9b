// Holds the debates of one run for a command: flags, agents, progress, signals, and what is written at the end.

import { z } from "zod";
import { systemClock } from "../base/clock.ts";
import { MagdiError } from "../base/errors.ts";
import { writeWholeFile } from "../base/files/whole-file.ts";
import { bareFlag, files, numberThat, oneOf, text, wholeNumber } from "../base/settings/kinds.ts";
import { helpLines } from "../base/settings/setting.ts";
import type { Agent } from "../debate/agent.ts";
import { openAgents, readAgents } from "../debate/agents-file.ts";
import { CallJournal } from "../debate/call-journal.ts";
import { Caller } from "../debate/caller.ts";
import { ConvincingSamples } from "../debate/convincing-samples.ts";
import type { DebateParts } from "../debate/debate.ts";
import { estimateDebates, sampledQuestions } from "../debate/debate-estimate.ts";
import { DebateLedger } from "../debate/debate-ledger.ts";
import { DebatePrompts, type ShownSamples } from "../debate/debate-prompts.ts";
import { debatePage, debateReport } from "../debate/debate-report.ts";
import { type DebatesRun, runDebates } from "../debate/run-debates.ts";
import {
  baselinesOf,
  makeDebateFolder,
  writeAuthorsFormat,
  writeDebates,
  writeJson,
} from "../debate/write-debates.ts";
import { readQuestionFiles } from "../eval/evaluation.ts";
import type { Question } from "../eval/question-formats.ts";
import { USES, type Use } from "../mag/mag-schema.ts";
import { parseFlags, usageError } from "./command.ts";
import { durationText } from "./duration.ts";
import { type Progress, terminalProgress } from "./progress.ts";
import { studentFolder } from "./run-folder.ts";
import { StopSignals } from "./signals.ts";

const FLAGS = z.object({
  agents: text("a JSON file of agents", "FILE").exactOptional().describe("who debates (see docs/debates.md)"),
  data: files("a file of questions").exactOptional().describe("questions, as magdi eval takes them"),
  out: text("a folder", "FOLDER")
    .exactOptional()
    .describe("transcripts, graphs, report and the journal of calls"),
  rounds: wholeNumber(0, 100).default(3).describe("rounds after round 0, at most"),
  seed: wholeNumber(0).default(0).describe("equal seeds and answers give equal graphs"),
  prompts: text("a folder", "DIR")
    .nullable()
    .default(null)
    .describe("prompts that replace those of the same names"),
  convincing: text("a file of samples", "FILE")
    .nullable()
    .default(null)
    .describe("show each agent what convinced the others, from magdi debate convince"),
  convincingSamples: wholeNumber(1, 64).default(4).describe("samples of each other agent for --convincing"),
  use: oneOf(USES)
    .default("train")
    .describe("take questions with this use; those without one are for training"),
  limit: wholeNumber(1)
    .nullable()
    .default(null)
    .describe("at most N questions of each data set, evenly spread"),
  dataset: text("a benchmark", "NAME")
    .nullable()
    .default(null)
    .describe("the benchmark, if neither the records nor the file's name tell it"),
  on_bad_line: oneOf(["stop", "skip"]).default("stop").describe("stop or skip"),
  maxCost: numberThat("a number above 0", (value) => value > 0)
    .nullable()
    .default(null)
    .describe("stop when so many dollars are spent, earlier runs in FOLDER included"),
  maxTokens: wholeNumber(1)
    .nullable()
    .default(null)
    .describe("stop when prompts and answers have so many tokens, earlier runs in FOLDER included"),
  estimate: bareFlag().describe("debate a few questions and say what all will cost; their answers are kept"),
  estimateQuestions: wholeNumber(1).default(4).describe("questions of each data set for --estimate"),
  authorsFormat: bareFlag().describe("write authors.jsonl too, in the format of MAGDi's released code"),
  fresh: bareFlag().describe("start over: throw away what an earlier run paid for"),
});
type Flags = z.output<typeof FLAGS>;

export const DEBATE_FLAGS_HELP = helpLines(FLAGS);

interface Debating extends DebateParts {
  readonly caller: Caller;
  readonly journal: CallJournal;
  readonly ledger: DebateLedger;
  readonly questions: readonly Question[];
  readonly files: ReturnType<typeof makeDebateFolder>;
}

/** Resolves to the exit code: 0, 1 when the budget is used up, or 130 or 143 after a signal. */
export async function runDebateCommand(argv: readonly string[]): Promise<number> {
  const { values } = parseFlags("debate", argv, FLAGS);
  const { agents: agentsFile, data, out } = values;
  if (agentsFile === undefined || data === undefined || out === undefined) {
    throw usageError("debate", "--agents FILE, --data FILE... and --out FOLDER");
  }
  const read = await readQuestionFiles(data, values, "train");
  for (const problem of read.flatMap(({ skipped }) => skipped)) process.stderr.write(`skipped ${problem}\n`);
  const questions = read.flatMap((file) => file.questions);
  const prompts = DebatePrompts.load(values.prompts, await shownSamples(values, agentsFile, questions));
  const agents = await openedAgents(agentsFile);
  const stop = new StopSignals(() =>
    process.stderr.write("\nmagdi debate: ends after the running calls; a second signal ends it at once\n"),
  );
  const progress = terminalProgress(process.stderr);
  let journal: CallJournal | null = null;
  try {
    assertPriced(agents, values.maxCost);
    const debateFiles = makeDebateFolder(out);
    journal = CallJournal.open(debateFiles.journal, { fresh: values.fresh ?? false });
    const ledger = new DebateLedger(agents, journal.lines);
    const caller = new Caller({
      ...{ agents, journal, ledger, clock: systemClock },
      budget: { maxTokens: values.maxTokens, maxUsd: values.maxCost },
      wallMs: Date.now,
      jitter: Math.random,
      signal: stop.signal,
    });
    const debating = {
      agents,
      prompts,
      settings: values,
      caller,
      journal,
      ledger,
      questions,
      files: debateFiles,
    };
    if (values.estimate) {
      const asked = sampledQuestions(questions, values.estimateQuestions);
      const result = await debated(asked, debating, progress);
      process.stdout.write(`${estimateText(debating, result)}\n`);
      return ended(result.stopped, stop);
    }
    const result = await debated(questions, debating, progress);
    await written(debating, result, values.use);
    if (values.authorsFormat) await writeAuthorsFormat(debateFiles, result.debates, values.use);
    process.stdout.write(`${sumsText(ledger)}\n${debateFiles.mags}, ${debateFiles.page}\n`);
    return ended(result.stopped, stop);
  } finally {
    progress.end();
    stop.close();
    journal?.close();
    await Promise.all(agents.map((agent) => agent.close()));
  }
}

/** Says where there are fewer samples than should be shown. */
async function shownSamples(
  { convincing, convincingSamples }: Flags,
  agentsFile: string,
  questions: readonly Question[],
): Promise<ShownSamples | null> {
  if (convincing === null) return null;
  const samples = await ConvincingSamples.read(convincing, convincingSamples);
  const agents = readAgents(agentsFile).map(({ name }) => name);
  const areShown = questions.some((question) =>
    agents.some((agent) => samples.shownTo(agent, question, agents).length > 0),
  );
  if (!areShown) {
    throw new MagdiError(
      "MAGDI_BAD_CONFIG",
      `${convincing}: expected samples of ${agents.join(", ")} for the data sets or tasks of the questions, found none`,
    );
  }
  for (const gap of samples.gaps(questions, agents)) process.stderr.write(`${convincing}: ${gap}\n`);
  return { samples, agents };
}

export async function openedAgents(file: string): Promise<Agent[]> {
  const specs = readAgents(file).map(async (spec) =>
    "student" in spec ? { ...spec, student: await studentFolder(spec.student) } : spec,
  );
  return openAgents(await Promise.all(specs), process.env);
}

export function assertPriced(agents: readonly Agent[], maxCost: Flags["maxCost"]): void {
  const unknown = agents.find(
    ({ prices }) => prices.inputUsdPerMillion === null || prices.outputUsdPerMillion === null,
  );
  if (maxCost === null || unknown === undefined) return;
  throw new MagdiError(
    "MAGDI_BAD_CONFIG",
    `--max-cost: expected usd_per_million_input and usd_per_million_output of agent ${unknown.name}, found none; give its prices, or use --max-tokens`,
  );
}

async function debated(
  questions: readonly Question[],
  debating: Debating,
  progress: Progress,
): Promise<DebatesRun> {
  const { ledger, caller } = debating;
  const startMs = systemClock.nowMs();
  let replayed: number | null = null;
  const callsBefore = callsOf(ledger);
  progress.report("debates", 0, questions.length);
  const result = await runDebates(questions, debating, ({ done, total, consensus }) => {
    // Debates from the journal take no time, and say nothing of the others.
    if (callsOf(ledger) === callsBefore) replayed = done;
    const fresh = done - (replayed ?? 0);
    const secondsLeft = (((systemClock.nowMs() - startMs) / 1000) * (total - done)) / Math.max(1, fresh);
    const left = fresh > 0 ? `, ${durationText(secondsLeft)} left` : "";
    progress.report("debates", done, total, `${consensus} to consensus, ${sumsText(ledger)}${left}`);
  });
  if (caller.halted === undefined) progress.end();
  return result;
}

function callsOf(ledger: DebateLedger): number {
  return [...ledger.byAgent().values()].reduce((sum, { calls }) => sum + calls, 0);
}

/** Writes what there is, of a stopped run too. */
async function written(debating: Debating, { debates }: DebatesRun, use: Use): Promise<void> {
  const { agents, files: debateFiles, prompts, ledger, questions } = debating;
  const { sha256: promptsSha256, convincing } = prompts;
  const counts = await writeDebates(debateFiles, debates, { use, promptsSha256, convincing });
  const report = debateReport(debates, questions.length, agents, ledger, promptsSha256);
  writeJson(debateFiles.report, report);
  writeWholeFile(debateFiles.page, debatePage(report));
  const baselines = baselinesOf(
    debates,
    agents.map(({ name }) => name),
  );
  if (baselines !== null) writeJson(debateFiles.baselines, baselines);
  const lost = (counts?.withoutNodes ?? 0) + (counts?.unreadableGold ?? 0);
  if (lost > 0) {
    process.stderr.write(
      `${lost} debates gave no graph: nobody answered, or the gold answer is none of the task\n`,
    );
  }
  for (const { agent, model, answered_as: others } of report.agents) {
    if (others.length > 0)
      process.stderr.write(`${agent}: asked for ${model}, answered by ${others.join(", ")}\n`);
  }
}

export function sumsText(ledger: DebateLedger): string {
  const sums = [...ledger.byAgent().values()];
  const tokens = sums.reduce((sum, one) => sum + one.promptTokens + one.completionTokens, 0);
  const usd = sums.reduce((sum, one) => sum + (one.usd ?? 0), 0);
  const unreported = sums.reduce((sum, one) => sum + one.unreportedCalls, 0);
  const unpriced = sums.some((one) => one.usd === null) ? " and what has no price" : "";
  return `${callsOf(ledger)} calls, ${tokens} tokens, $${usd.toFixed(4)}${unpriced}${unreported > 0 ? `, ${unreported} calls without a count` : ""}`;
}

function estimateText({ questions, journal, agents, ledger }: Debating, { debates }: DebatesRun): string {
  const over = debates.map(({ question }) => question);
  const { from, unknown, calls, ...all } = estimateDebates(questions, over, journal.lines, agents);
  const tokens = `${Math.round(all.promptTokens)} tokens of prompts and ${Math.round(all.completionTokens)} generated`;
  const money = all.usd === null ? "money unknown without prices" : `$${all.usd.toFixed(4)}`;
  const rest = unknown > 0 ? `; ${unknown} questions of data sets without a debate are left out` : "";
  return `${questions.length} questions, from ${from} debates: about ${Math.round(calls)} calls, ${tokens}, ${money}${rest}
of these already paid for: ${sumsText(ledger)}`;
}

/** @throws what ended the run, other than a signal or the budget */
export function ended(stopped: unknown, stop: StopSignals, command = "debate"): number {
  if (stopped === undefined) return 0;
  const isBudget = stopped instanceof MagdiError && stopped.code === "MAGDI_CANCELLED";
  if (!stop.signal.aborted && !isBudget) throw stopped;
  const reason = isBudget ? stopped.message : "stopped";
  process.stderr.write(`magdi ${command}: ${reason}; run the same command again to continue\n`);
  return isBudget ? 1 : stop.exitCode;
}
