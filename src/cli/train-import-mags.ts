// magdi train import-mags: arguments and output files; mag/import-mags.ts does the import.

import { z } from "zod";
import { TASKS } from "../answers/task.ts";
import { JsonLinesWriter } from "../base/files/json-lines-writer.ts";
import {
  bareFlag,
  files,
  listOf,
  number,
  oneOf,
  repeated,
  text,
  wholeNumber,
} from "../base/settings/kinds.ts";
import { helpLines } from "../base/settings/setting.ts";
import { readQuestionFiles } from "../eval/evaluation.ts";
import { CLEANINGS } from "../mag/cleaning.ts";
import { EDGE_RULES } from "../mag/edges.ts";
import { IMPORT_FORMATS } from "../mag/import-formats.ts";
import { importMags, questionsOf } from "../mag/import-mags.ts";
import { JOINS, type JoinBy, JoinedQuestions } from "../mag/joined-questions.ts";
import { type Mag, USES } from "../mag/mag-schema.ts";
import { mergeMags } from "../mag/merge-mags.ts";
import { isHeldOut, questionKey } from "../mag/question-split.ts";
import type { ImportCounts } from "../mag/record-to-mag.ts";
import { type ImportResult, importText } from "../mag/text-report.ts";
import { parseFlags, type Subcommand, usageError } from "./command.ts";

/** The requirements of --with. */
const NEEDS = {
  right: { what: "a right node", has: ({ nodes }) => nodes.some(({ label }) => label === 1) },
  wrong: { what: "a wrong node", has: ({ nodes }) => nodes.some(({ label }) => label === 0) },
  edges: { what: "an edge: one agent read another's answer", has: ({ edges }) => edges.length > 0 },
} satisfies Record<string, { readonly what: string; readonly has: (mag: Mag) => boolean }>;

const keysOf = <T extends string>(table: Readonly<Record<T, unknown>>): T[] => Object.keys(table) as T[]; // its own keys

const meanings = (table: Readonly<Record<string, string>>): string =>
  Object.entries(table)
    .map(([name, meaning]) => `\n  ${name.padEnd(12)} ${meaning}`)
    .join("");

const FLAGS = z.object({
  out: text("a file", "FILE")
    .exactOptional()
    .describe("the MAGs, one per line, gzipped if it ends in .gz; it appears complete or not at all"),
  format: oneOf(keysOf(IMPORT_FORMATS))
    .exactOptional()
    .describe(`format of the records (default: detected from the first one)${meanings(IMPORT_FORMATS)}`),
  use: oneOf(USES)
    .default("train")
    .describe("train or eval: records with the other use are counted but never written"),
  exclude: repeated("a file", "FILE")
    .default([])
    .describe('file of questions to leave out: its records with use "eval" or without one (repeatable)'),
  questions: files("a file of questions")
    .exactOptional()
    .describe(
      "the questions of records that have none, as ReConcile writes them; read as magdi eval reads questions",
    ),
  questionsBy: oneOf(keysOf(JOINS))
    .default("id")
    .describe(`how records and --questions are joined${meanings(JOINS)}`),
  edges: oneOf(keysOf(EDGE_RULES))
    .exactOptional()
    .describe(
      `which answers were read by which (default: as the records or their format tell, else rounds)${meanings(EDGE_RULES)}`,
    ),
  clean: oneOf(keysOf(CLEANINGS))
    .default("echoes")
    .describe(`what to remove from the reasoning${meanings(CLEANINGS)}`),
  answers: oneOf(["recorded", "reread"])
    .default("recorded")
    .describe("recorded, or reread: prefer the answer extracted from the reasoning"),
  maxRound: wholeNumber(0).default(3).describe("the last round to import"),
  agents: listOf("an agent").exactOptional().describe("only these agents, separated by commas"),
  merge: bareFlag().describe("one MAG per question from all sources (held in memory)"),
  with: z
    .array(oneOf(keysOf(NEEDS)))
    .default([])
    .describe(
      `only MAGs with all of these, separated by commas:${meanings(Object.fromEntries(Object.entries(NEEDS).map(([name, { what }]) => [name, what])))}`,
    ),
  limit: wholeNumber(0).exactOptional().describe("import only the first N MAGs"),
  validation: text("a file", "FILE")
    .exactOptional()
    .describe("write some of the questions to this file instead; no question is in both"),
  validationShare: number(0, 1).default(0.1).describe("approximate share of those questions"),
  seed: wholeNumber(0).default(1).describe("seed of the split, which depends on the question's text alone"),
  broken: oneOf(["stop", "skip"])
    .default("stop")
    .describe("stop at a broken record or skip it; either way it is reported with file, line and fields"),
  benchmark: text("a benchmark", "NAME")
    .exactOptional()
    .describe("the benchmark, if the records do not tell it"),
  task: oneOf(TASKS)
    .exactOptional()
    .describe(`${TASKS.join(", ")} (default: detected from choices and gold answer)`),
  terms: text().exactOptional().describe("licence or terms of use of the texts, stored with each MAG"),
  json: bareFlag().describe("print the counts as JSON"),
});

const HELP = `Usage: magdi train import-mags SOURCE... --out FILE [options]

Converts agents' outputs to interaction graphs (MAGs): a question, all answers to it by round, and which answers each
agent had read. SOURCE is a file of JSON records, one per line or in one array, gzipped or not, of any size.

${helpLines(FLAGS)}
`;

/**
 * Resolves to the exit code: 0, or 1 if there was nothing to write.
 * @throws MAGDI_BAD_CONFIG for arguments, MAGDI_FILE_MISSING and MAGDI_BAD_FILE for sources
 */
async function run(argv: readonly string[]): Promise<number> {
  const { values, words } = parseFlags("train import-mags", argv, FLAGS, { words: true });
  const { out, exclude, clean: cleaning, broken, with: needs, limit, validation, ...rest } = values;
  const { merge, validationShare: share, seed, json, questions: files, questionsBy, ...options } = rest;
  if (words.length === 0 || out === undefined)
    throw usageError("train import-mags", "SOURCE... and --out FILE");
  const excluded = new Set<string>();
  for (const file of exclude) {
    for (const key of await questionsOf(file, (use) => use !== "train")) excluded.add(key);
  }
  const questions =
    files === undefined ? null : await questionsIn(files, questionsBy, options.benchmark, excluded);
  const onBroken = (error: Error): void => console.error(`skipped: ${error.message}`);
  const sources = new Map<string, ImportCounts>();
  const imported = importMags(
    words,
    {
      ...options,
      cleaning,
      excluded,
      ...(questions === null ? {} : { questions }),
      ...(broken === "skip" ? { onBroken } : {}),
    },
    sources,
  );
  const outputs = [out, ...(validation === undefined ? [] : [validation])];
  let lacking = 0;
  const written = await writeAll(outputs, async (writers) => {
    let count = 0;
    if (limit === 0) return;
    for await (const mag of merge ? allMerged(imported) : imported) {
      if (!needs.every((need) => NEEDS[need].has(mag))) {
        lacking += 1;
        continue;
      }
      writers[writers.length > 1 && isHeldOut(mag, share, seed) ? 1 : 0]!.write(mag);
      count += 1;
      if (count === limit) return;
    }
  });
  const result: ImportResult = {
    use: options.use,
    written,
    lacking,
    sources: Object.fromEntries(sources),
  };
  console.log(json ? JSON.stringify(result, null, 2) : importText(result));
  return written.every(({ mags }) => mags === 0) ? 1 : 0;
}

/** The questions to join; those for evaluation are added to `excluded`. */
async function questionsIn(
  files: readonly string[],
  by: JoinBy,
  benchmark: string | undefined,
  excluded: Set<string>,
): Promise<JoinedQuestions> {
  const reading = { dataset: benchmark ?? null, use: "all", limit: null, on_bad_line: "stop" } as const;
  const read = (await readQuestionFiles(files, reading)).flatMap(({ questions }) => questions);
  const questions = read.map(({ use, ...question }) => ({
    ...question,
    use: use === undefined ? null : use === "train" ? ("train" as const) : ("eval" as const),
  }));
  for (const question of questions) if (question.use === "eval") excluded.add(questionKey(question));
  return new JoinedQuestions(questions, by);
}

/** Writes all files or none. */
async function writeAll(
  paths: readonly string[],
  write: (writers: readonly JsonLinesWriter[]) => Promise<void>,
): Promise<ImportResult["written"]> {
  const writers: JsonLinesWriter[] = [];
  try {
    for (const path of paths) writers.push(new JsonLinesWriter(path));
    await write(writers);
    for (const writer of writers) writer.close();
    for (const writer of writers) writer.commit();
  } catch (error) {
    for (const writer of writers) writer.discard();
    throw error;
  }
  return writers.map(({ path, count }) => ({ path, mags: count }));
}

async function* allMerged(mags: AsyncIterable<Mag>): AsyncGenerator<Mag> {
  const all: Mag[] = [];
  for await (const mag of mags) all.push(mag);
  yield* mergeMags(all);
}

export const importMagsCommand: Subcommand = { help: HELP, run };
