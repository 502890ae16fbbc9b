// Holds the debates of one run for a command: flags, agents, journal, signals, and what it exits with.

import { z } from "zod";
import { systemClock } from "../base/clock.ts";
import { MagdiError } from "../base/errors.ts";
import { lockFolder } from "../base/files/run-lock.ts";
import {
  bareFlag,
  files,
  listOf,
  numberThat,
  oneOf,
  settingFacts,
  text,
  wholeNumber,
} from "../base/settings/kinds.ts";
import { helpLines } from "../base/settings/setting.ts";
import type { Agent } from "../debate/agent.ts";
import { openAgents, readAgents } from "../debate/agents-file.ts";
import { CallJournal } from "../debate/call-journal.ts";
import { Caller } from "../debate/caller.ts";
import { sampledQuestions } from "../debate/debate-estimate.ts";
import { DebateLedger } from "../debate/debate-ledger.ts";
import { DebatePrompts } from "../debate/debate-prompts.ts";
import { makeDebateFolder } from "../debate/write-debates.ts";
import { readQuestionFiles } from "../eval/evaluation.ts";
import { USES } from "../mag/mag-schema.ts";
import { parseFlags, usageError } from "./command.ts";
import { estimateFromFolders, estimateOfRun } from "./debate-estimate.ts";
import { QUESTION_FLAGS } from "./debate-question-flags.ts";
import { type Debating, debated, sampled, written } from "./debate-steps.ts";
import { sumsText } from "./debate-sums.ts";
import { terminalProgress } from "./progress.ts";
import { studentFolder } from "./run-folder.ts";
import { shownSamples } from "./shown-samples.ts";
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
  ...QUESTION_FLAGS,
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
  estimateFrom: files("a folder of debates", "FOLDER...")
    .exactOptional()
    .describe("say what all will cost from earlier debates, and ask nothing"),
  selfConsistency: listOf("an agent's name")
    .register(settingFacts, { placeholder: "AGENT,..." })
    .exactOptional()
    .describe("sample these agents alone, until they cost as much as the debates"),
  authorsFormat: bareFlag().describe("write authors.jsonl too, in the format of MAGDi's released code"),
  fresh: bareFlag().describe("start over: throw away what an earlier run paid for"),
});

export const DEBATE_FLAGS_HELP = helpLines(FLAGS);

/** Resolves to the exit code: 0, 1 when the budget is used up, or 130 or 143 after a signal. */
export async function runDebateCommand(argv: readonly string[]): Promise<number> {
  const { values } = parseFlags("debate", argv, FLAGS);
  const { agents: agentsFile, data, out, estimateFrom } = values;
  if (agentsFile === undefined || data === undefined || (out === undefined && estimateFrom === undefined)) {
    throw usageError(
      "debate",
      "--agents FILE, --data FILE... and --out FOLDER (or --estimate-from FOLDER...)",
    );
  }
  const read = await readQuestionFiles(data, values, "train");
  for (const problem of read.flatMap(({ skipped }) => skipped)) process.stderr.write(`skipped ${problem}\n`);
  const questions = read.flatMap((file) => file.questions);
  if (estimateFrom !== undefined) {
    if (values.estimate) throw usageError("debate", "--estimate or --estimate-from, not both");
    const specs = readAgents(agentsFile);
    process.stdout.write(`${await estimateFromFolders(estimateFrom, questions, specs, values)}\n`);
    return 0;
  }
  const { convincing, convincingSamples } = values;
  const shown = await shownSamples(convincing, convincingSamples, agentsFile, questions);
  const prompts = DebatePrompts.load(values.prompts, shown);
  const agents = await openedAgents(agentsFile);
  const stop = new StopSignals(() =>
    process.stderr.write("\nmagdi debate: ends after the running calls; a second signal ends it at once\n"),
  );
  const progress = terminalProgress(process.stderr);
  let unlock: (() => void) | null = null;
  let journal: CallJournal | null = null;
  try {
    assertPriced(agents, values.maxCost);
    const alone = namedAgents(agents, values.selfConsistency ?? []);
    const debateFiles = makeDebateFolder(out!); // asked for above
    unlock = lockFolder(out!, "wait for its end, or name another --out");
    journal = CallJournal.open(debateFiles.journal, { fresh: values.fresh ?? false });
    const ledger = new DebateLedger(agents, journal.lines);
    const caller = new Caller({
      ...{ agents, journal, ledger, clock: systemClock },
      budget: { maxTokens: values.maxTokens, maxUsd: values.maxCost },
      wallMs: Date.now,
      jitter: Math.random,
      signal: stop.signal,
    });
    const debating: Debating = {
      ...{ agents, alone, prompts, caller, ledger, questions },
      settings: values,
      folder: out!,
      files: debateFiles,
    };
    if (values.estimate) {
      const asked = sampledQuestions(questions, values.estimateQuestions);
      const result = await debated(asked, debating, progress);
      process.stdout.write(`${await estimateOfRun(debating, result)}\n`);
      return ended(result.stopped, stop);
    }
    const result = await debated(questions, debating, progress);
    const samples = await sampled(result, debating, progress);
    await written(debating, result, samples, values);
    process.stdout.write(`${sumsText(ledger)}\n${debateFiles.mags}, ${debateFiles.page}\n`);
    return ended(result.stopped ?? samples?.stopped, stop);
  } finally {
    progress.end();
    stop.close();
    journal?.close();
    unlock?.();
    await Promise.all(agents.map((agent) => agent.close()));
  }
}

export async function openedAgents(file: string): Promise<Agent[]> {
  const specs = readAgents(file).map(async (spec) =>
    "student" in spec ? { ...spec, student: await studentFolder(spec.student) } : spec,
  );
  return openAgents(await Promise.all(specs), process.env);
}

/** @throws MAGDI_BAD_CONFIG for a name that no agent has */
function namedAgents(agents: readonly Agent[], names: readonly string[]): Agent[] {
  return [...new Set(names)].map((wanted) => {
    const found = agents.find(({ name }) => name === wanted);
    if (found !== undefined) return found;
    const known = agents.map(({ name }) => name).join(", ");
    throw new MagdiError(
      "MAGDI_BAD_CONFIG",
      `--self-consistency: expected some of ${known}, found ${wanted}`,
    );
  });
}

export function assertPriced(agents: readonly Agent[], maxCost: number | null): void {
  const unknown = agents.find(
    ({ prices }) => prices.inputUsdPerMillion === null || prices.outputUsdPerMillion === null,
  );
  if (maxCost === null || unknown === undefined) return;
  throw new MagdiError(
    "MAGDI_BAD_CONFIG",
    `--max-cost: expected usd_per_million_input and usd_per_million_output of agent ${unknown.name}, found none; give its prices, or use --max-tokens`,
  );
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
