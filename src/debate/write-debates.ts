// Writes what came of debates into their folder: transcripts, graphs, samples of self-consistency, and the baselines of
// their cost.

import { mkdirSync } from "node:fs";
import path from "node:path";
import { TASKS } from "../answers/task.ts";
import { JsonLinesWriter } from "../base/files/json-lines-writer.ts";
import { writeWholeFile } from "../base/files/whole-file.ts";
import { writing } from "../base/files/write-errors.ts";
import { importMags } from "../mag/import-mags.ts";
import type { Use } from "../mag/mag-schema.ts";
import type { ImportCounts } from "../mag/record-to-mag.ts";
import type { Debate } from "./debate.ts";
import type { DebateOutline } from "./debate-outline.ts";
import type { SampledQuestion } from "./sampled-question.ts";
import { sumOf } from "./score.ts";
import { authorsRecordOf, type TranscriptContext, transcriptOf } from "./transcript.ts";

export function debateFiles(folder: string) {
  const file = (name: string) => path.join(folder, name);
  return {
    journal: file("journal.jsonl"),
    transcripts: file("transcripts.jsonl"),
    mags: file("mags.jsonl"),
    authors: file("authors.jsonl"),
    selfConsistency: file("self-consistency.jsonl"),
    baselines: file("baselines.json"),
    report: file("report.json"),
    page: file("report.md"),
  };
}
export type DebateFiles = ReturnType<typeof debateFiles>;

/** @throws MAGDI_NOT_WRITTEN */
export function makeDebateFolder(folder: string): DebateFiles {
  writing(folder, () => mkdirSync(folder, { recursive: true }));
  return debateFiles(folder);
}

/**
 * Transcripts, and the graphs that `magdi train import-mags` makes of them. Each file is whole or as it was. Null without
 * debates.
 * @throws MAGDI_NOT_WRITTEN
 */
export async function writeDebates(
  files: DebateFiles,
  debates: AsyncIterable<Debate>,
  context: TranscriptContext,
): Promise<ImportCounts | null> {
  const written = await writeLines(files.transcripts, debates, (debate) => transcriptOf(debate, context));
  if (written === 0) {
    await writeLines(files.mags, []);
    return null;
  }
  const counts = new Map<string, ImportCounts>();
  // All rounds, however many: the importer leaves out those after the paper's third.
  const options = { use: context.use, maxRound: Number.MAX_SAFE_INTEGER };
  await writeLines(files.mags, importMags([files.transcripts], options, counts));
  return counts.get(files.transcripts) ?? null;
}

/** The debates in the format of MAGDi's released code. @throws MAGDI_NOT_WRITTEN */
export async function writeAuthorsFormat(
  files: DebateFiles,
  debates: AsyncIterable<Debate>,
  use: Use,
): Promise<void> {
  await writeLines(files.authors, debates, (debate) => authorsRecordOf(debate, use));
}

/** @throws MAGDI_NOT_WRITTEN */
export async function writeSampledQuestions(
  files: DebateFiles,
  sampled: AsyncIterable<SampledQuestion>,
): Promise<void> {
  await writeLines(files.selfConsistency, sampled);
}

/** Returns how many. */
async function writeLines<T>(
  file: string,
  records: Iterable<T> | AsyncIterable<T>,
  lineOf: (record: T) => unknown = (record) => record,
): Promise<number> {
  const writer = new JsonLinesWriter(file);
  try {
    for await (const record of records) writer.write(lineOf(record));
    writer.close();
    writer.commit();
    return writer.count;
  } catch (error) {
    writer.discard();
    throw error;
  }
}

/**
 * The debates' mean generated tokens of each task, as `--baselines` of magdi serve and magdi eval takes them. Null where no
 * task has a debate whose agents all said their tokens.
 */
export function baselinesOf(debates: readonly DebateOutline[], agents: readonly string[]): object | null {
  const entries = TASKS.flatMap((task) => {
    const ofTask = debates.filter((debate) => debate.task === task && debate.nodes.length > 0);
    const nodes = ofTask.flatMap((debate) => debate.nodes);
    const total = sumOf(nodes.map(({ completionTokens }) => completionTokens));
    if (total === null || total === 0) return [];
    const read = sumOf(nodes.map(({ promptTokens }) => promptTokens));
    const readText = read === null ? "" : `, and ${Math.round(read / ofTask.length)} of prompts`;
    return [
      [
        `debate-${task}`,
        {
          tokens: Math.round((10 * total) / ofTask.length) / 10,
          tasks: [task],
          source: `mean generated tokens a question of ${ofTask.length} debates of ${agents.join(", ")}${readText}`,
        },
      ] as const,
    ];
  });
  return entries.length === 0 ? null : { baselines: Object.fromEntries(entries) };
}

/** @throws MAGDI_NOT_WRITTEN */
export function writeJson(file: string, value: object): void {
  writeWholeFile(file, `${JSON.stringify(value, null, 2)}\n`);
}
