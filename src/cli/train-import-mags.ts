// magdi train import-mags: its arguments, and the files it writes. What importing means is import-mags'.

import { type ParseArgsConfig, parseArgs } from "node:util";
import { TASKS } from "../answers/task.ts";
import { MagdiError } from "../base/errors.ts";
import { JsonLinesWriter } from "../base/files/json-lines-writer.ts";
import { CLEANINGS } from "../mag/cleaning.ts";
import { EDGE_RULES } from "../mag/edges.ts";
import { IMPORT_FORMATS } from "../mag/import-formats.ts";
import { type ImportOptions, importMags, questionsOf } from "../mag/import-mags.ts";
import { type Mag, USES } from "../mag/mag-schema.ts";
import { mergeMags } from "../mag/merge-mags.ts";
import { isHeldOut } from "../mag/question-split.ts";
import type { ImportCounts } from "../mag/record-to-mag.ts";
import { type ImportResult, importText } from "../mag/text-report.ts";

/** What --with can ask of a MAG. */
const NEEDS: Readonly<Record<string, { readonly what: string; readonly has: (mag: Mag) => boolean }>> = {
  right: { what: "a right node", has: ({ nodes }) => nodes.some(({ label }) => label === 1) },
  wrong: { what: "a wrong node", has: ({ nodes }) => nodes.some(({ label }) => label === 0) },
  edges: { what: "an edge: somebody heard somebody", has: ({ edges }) => edges.length > 0 },
};

export const IMPORT_MAGS_HELP = `Usage: magdi train import-mags SOURCE... --out FILE [options]

Makes interaction graphs (MAGs) of agents' outputs: one question, every answer to it round by round, who heard whom.
SOURCE is a file of JSON records, one a line or all in one array, gzipped or not, of any size.

  --out FILE        the MAGs, one a line; gzipped when it ends in .gz; it appears whole or not at all
  --format NAME     what the records look like (default: told by the first one)
${choices(IMPORT_FORMATS)}
  --use NAME        train (default) or eval: records of the other use are never written, only counted
  --exclude FILE    questions never to be trained on: records with use "eval" of that file, or with none (repeatable)
  --edges NAME      who heard whom (default: what the records or the source tell, else rounds)
${choices(EDGE_RULES)}
  --clean NAME      what is taken out of the reasoning (default echoes)
${choices(CLEANINGS)}
  --answers NAME    recorded (default), or reread: what our extractor finds in the reasoning comes first
  --max-round N     later rounds are left out (default 3)
  --agents LIST     only these agents, separated by commas
  --merge           one MAG a question, of all sources (which are then held in memory)
  --with LIST       only MAGs that have all of these, separated by commas:
${choices(Object.fromEntries(Object.entries(NEEDS).map(([name, { what }]) => [name, what])))}
  --limit N         at most so many MAGs, the first
  --validation FILE   write some of the questions there instead: no question is in both files
  --validation-share X  about which share of them (default 0.1)
  --seed N          draws them, by the question's words: the same in every import (default 1)
  --broken NAME     stop (default) at a broken record, or skip it: either way its file, line and fields are named
  --benchmark NAME  the benchmark, where records do not tell
  --task NAME       ${TASKS.join(", ")} (default: told by choices and gold answer)
  --terms TEXT      under which terms the texts may be used, kept with each MAG
  --json            the counts as JSON
`;

const OPTIONS = {
  out: { type: "string" },
  format: { type: "string" },
  use: { type: "string", default: "train" },
  exclude: { type: "string", multiple: true, default: [] as string[] },
  edges: { type: "string" },
  clean: { type: "string", default: "echoes" },
  answers: { type: "string", default: "recorded" },
  "max-round": { type: "string", default: "3" },
  agents: { type: "string" },
  merge: { type: "boolean", default: false },
  with: { type: "string" },
  limit: { type: "string" },
  validation: { type: "string" },
  "validation-share": { type: "string", default: "0.1" },
  seed: { type: "string", default: "1" },
  broken: { type: "string", default: "stop" },
  benchmark: { type: "string" },
  task: { type: "string" },
  terms: { type: "string" },
  json: { type: "boolean", default: false },
} satisfies ParseArgsConfig["options"];

/**
 * Runs the command; resolves to the exit code: 0 when the file was written, 1 when nothing was left to write.
 * @throws MAGDI_BAD_CONFIG for arguments, MAGDI_FILE_MISSING and MAGDI_BAD_FILE for sources
 */
export async function runImportMags(argv: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({ args: [...argv], options: OPTIONS, allowPositionals: true });
  const { out } = values;
  if (positionals.length === 0 || out === undefined) {
    throw new MagdiError(
      "MAGDI_BAD_CONFIG",
      "expected SOURCE... and --out FILE, see: magdi train import-mags --help",
    );
  }
  const excluded = new Set<string>();
  for (const file of values.exclude) {
    for (const key of await questionsOf(file, (use) => use !== "train")) excluded.add(key);
  }
  const skips = oneOf("--broken", ["stop", "skip"] as const, values.broken) === "skip";
  const options: ImportOptions = {
    ...(values.format === undefined
      ? {}
      : { format: oneOf("--format", keysOf(IMPORT_FORMATS), values.format) }),
    use: oneOf("--use", USES, values.use),
    ...(values.edges === undefined ? {} : { edges: oneOf("--edges", keysOf(EDGE_RULES), values.edges) }),
    cleaning: oneOf("--clean", keysOf(CLEANINGS), values.clean),
    answers: oneOf("--answers", ["recorded", "reread"] as const, values.answers),
    maxRound: wholeNumber("--max-round", values["max-round"]),
    ...(values.agents === undefined ? {} : { agents: listed(values.agents) }),
    ...(values.benchmark === undefined ? {} : { benchmark: values.benchmark }),
    ...(values.task === undefined ? {} : { task: oneOf("--task", TASKS, values.task) }),
    ...(values.terms === undefined ? {} : { terms: values.terms }),
    excluded,
    ...(skips ? { onBroken: (error: MagdiError) => console.error(`skipped: ${error.message}`) } : {}),
  };
  const needs = values.with === undefined ? [] : listed(values.with);
  for (const need of needs) oneOf("--with", Object.keys(NEEDS), need);
  const limit = values.limit === undefined ? Number.POSITIVE_INFINITY : wholeNumber("--limit", values.limit);
  const share = shareOf("--validation-share", values["validation-share"]);
  const seed = wholeNumber("--seed", values.seed);

  const sources = new Map<string, ImportCounts>();
  const imported = importMags(positionals, options, sources);
  const outputs = [out, ...(values.validation === undefined ? [] : [values.validation])];
  let lacking = 0;
  const written = await writeAll(outputs, async (writers) => {
    let count = 0;
    if (limit === 0) return;
    for await (const mag of values.merge ? allMerged(imported) : imported) {
      if (!needs.every((need) => NEEDS[need]?.has(mag))) {
        lacking += 1;
        continue;
      }
      writers[writers.length > 1 && isHeldOut(mag, share, seed) ? 1 : 0]!.write(mag);
      count += 1;
      if (count >= limit) return;
    }
  });
  const result: ImportResult = {
    use: options.use ?? "train",
    written,
    lacking,
    sources: Object.fromEntries(sources),
  };
  console.log(values.json ? JSON.stringify(result, null, 2) : importText(result));
  return written.every(({ mags }) => mags === 0) ? 1 : 0;
}

/** All files appear, or none. */
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

function listed(text: string): string[] {
  return text.split(",").map((name) => name.trim());
}

function shareOf(flag: string, found: string): number {
  const value = Number(found);
  if (found.trim() !== "" && value >= 0 && value <= 1) return value;
  throw new MagdiError("MAGDI_BAD_CONFIG", `${flag}: expected a number from 0 to 1, found "${found}"`);
}

function oneOf<const T extends string>(flag: string, allowed: readonly T[], found: string): T {
  const match = allowed.find((name) => name === found);
  if (match !== undefined) return match;
  throw new MagdiError(
    "MAGDI_BAD_CONFIG",
    `${flag}: expected one of ${allowed.join(", ")}, found "${found}"`,
  );
}

function wholeNumber(flag: string, found: string): number {
  const value = Number(found);
  if (found.trim() !== "" && Number.isSafeInteger(value) && value >= 0) return value;
  throw new MagdiError("MAGDI_BAD_CONFIG", `${flag}: expected a whole number from 0, found "${found}"`);
}

function keysOf<T extends string>(table: Readonly<Record<T, string>>): T[] {
  return Object.keys(table) as T[]; // a table's keys are of its key type
}

function choices(table: Readonly<Record<string, string>>): string {
  return Object.entries(table)
    .map(([name, meaning]) => `                      ${name.padEnd(12)} ${meaning}`)
    .join("\n");
}
