// The steps of a run of debates for a command, with their progress: the debates, the samples of self-consistency, and the
// files that are made of them.

import path from "node:path";
import { systemClock } from "../base/clock.ts";
import type { Agent } from "../debate/agent.ts";
import type { Caller } from "../debate/caller.ts";
import type { DebateParts } from "../debate/debate.ts";
import type { DebateLedger } from "../debate/debate-ledger.ts";
import { type DebatesRun, endedDebates, forEachQuestion, runDebates } from "../debate/run-debates.ts";
import type { SampledQuestion } from "../debate/sampled-question.ts";
import { sampleAlone } from "../debate/self-consistency.ts";
import {
  baselinesOf,
  type DebateFiles,
  writeAuthorsFormat,
  writeDebates,
  writeJson,
  writeSampledQuestions,
} from "../debate/write-debates.ts";
import { writeDebateReport } from "../debate/write-report.ts";
import type { Question } from "../eval/question-formats.ts";
import type { Use } from "../mag/mag-schema.ts";
import { callsOf, sumsText } from "./debate-sums.ts";
import { durationText } from "./duration.ts";
import type { Progress } from "./progress.ts";

export interface Debating extends DebateParts {
  readonly caller: Caller;
  /** Those whose self-consistency is asked for. */
  readonly alone: readonly Agent[];
  readonly ledger: DebateLedger;
  readonly questions: readonly Question[];
  readonly folder: string;
  readonly files: DebateFiles;
}

export async function debated(
  questions: readonly Question[],
  debating: Debating,
  progress: Progress,
): Promise<DebatesRun> {
  const report = progressOf("debates", questions.length, debating, progress);
  const result = await runDebates(questions, debating, ({ done, consensus }) => {
    report(done, `${consensus} to consensus, `);
  });
  if (debating.caller.halted === undefined) progress.end();
  return result;
}

/** Of the debates that have ended; null without agents whose self-consistency is asked for. */
export async function sampled(
  { ended }: DebatesRun,
  debating: Debating,
  progress: Progress,
): Promise<DebatesRun | null> {
  if (debating.alone.length === 0) return null;
  const report = progressOf("self-consistency", ended.length, debating, progress);
  let done = 0;
  const result = await forEachQuestion(ended, debating, async (question) => {
    await samplesOf(question, debating);
    done += 1;
    report(done, "");
  });
  if (debating.caller.halted === undefined) progress.end();
  return result;
}

async function samplesOf(question: Question, debating: Debating): Promise<SampledQuestion[]> {
  for await (const debate of endedDebates([question], debating)) {
    const running = debating.alone.map((agent) => sampleAlone(debate, agent, debating));
    await Promise.allSettled(running); // none is left running
    return Promise.all(running);
  }
  return [];
}

/** Calls that the journal has take no time, and say nothing of the others. */
function progressOf(stage: string, total: number, { ledger }: Debating, progress: Progress) {
  const startMs = systemClock.nowMs();
  const callsBefore = callsOf(ledger);
  let replayed = 0;
  progress.report(stage, 0, total);
  return (done: number, note: string): void => {
    if (callsOf(ledger) === callsBefore) replayed = done;
    const fresh = done - replayed;
    const secondsLeft = (((systemClock.nowMs() - startMs) / 1000) * (total - done)) / Math.max(1, fresh);
    const left = fresh > 0 ? `, ${durationText(secondsLeft)} left` : "";
    progress.report(stage, done, total, `${note}${sumsText(ledger)}${left}`);
  };
}

/** Writes what there is, of a stopped run too; it is read from the journal again. */
export async function written(
  debating: Debating,
  { ended }: DebatesRun,
  samples: DebatesRun | null,
  { use, authorsFormat }: { readonly use: Use; readonly authorsFormat?: true },
): Promise<void> {
  const { folder, files, prompts } = debating;
  const context = { use, promptsSha256: prompts.sha256, convincing: prompts.convincing };
  const counts = await writeDebates(files, endedDebates(ended, debating), context);
  if (authorsFormat) await writeAuthorsFormat(files, endedDebates(ended, debating), use);
  if (samples !== null) await writeSampledQuestions(files, sampledQuestionsOf(samples.ended, debating));
  const run = { name: path.basename(path.resolve(folder)), folders: [folder] };
  const { read, report } = await writeDebateReport([run], files.report);
  const agents = report.runs.flatMap((one) => one.agents);
  const baselines = baselinesOf(
    read.flatMap((one) => one.folder.debates),
    debating.agents.map(({ name }) => name),
  );
  if (baselines !== null) writeJson(files.baselines, baselines);
  const lost = (counts?.withoutNodes ?? 0) + (counts?.unreadableGold ?? 0);
  if (lost > 0) {
    process.stderr.write(
      `${lost} debates gave no graph: nobody answered, or the gold answer is none of the task\n`,
    );
  }
  for (const { agent, model, answered_as: others } of agents) {
    if (others.length > 0)
      process.stderr.write(`${agent}: asked for ${model}, answered by ${others.join(", ")}\n`);
  }
}

async function* sampledQuestionsOf(
  questions: readonly Question[],
  debating: Debating,
): AsyncGenerator<SampledQuestion> {
  for (const question of questions) yield* await samplesOf(question, debating);
}
