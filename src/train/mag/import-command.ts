// magdi train import-mags: its arguments, and its report. What importing means is import-mags'.

import { type ParseArgsConfig, parseArgs } from "node:util";
import { MagdiError } from "../../errors.ts";
import { TASKS } from "../../reasoning/task.ts";
import { CLEANINGS } from "./cleaning.ts";
import { EDGE_RULES } from "./edges.ts";
import { IMPORT_FORMATS } from "./import-formats.ts";
import { type ImportCounts, type ImportOptions, importMags, questionsOf } from "./import-mags.ts";
import { writeMags } from "./mag-file.ts";
import { type Mag, USES } from "./mag-schema.ts";
import { mergeMags } from "./merge-mags.ts";
import { textTable } from "./statistics-table.ts";

export const IMPORT_MAGS_HELP = `Usage: magdi train import-mags SOURCE... --out FILE [options]

Makes interaction graphs (MAGs) of agents' outputs: one question, every answer to it round by round, who heard whom.
SOURCE is a file of JSON records, one a line or all in one array, gzipped or not.

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
  --merge           one MAG a question, of all sources
  --limit N         at most so many MAGs, the first
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
  limit: { type: "string" },
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
  const options: ImportOptions = {
    ...(values.format === undefined
      ? {}
      : { format: oneOf("--format", keysOf(IMPORT_FORMATS), values.format) }),
    use: oneOf("--use", USES, values.use),
    ...(values.edges === undefined ? {} : { edges: oneOf("--edges", keysOf(EDGE_RULES), values.edges) }),
    cleaning: oneOf("--clean", keysOf(CLEANINGS), values.clean),
    answers: oneOf("--answers", ["recorded", "reread"] as const, values.answers),
    maxRound: wholeNumber("--max-round", values["max-round"]),
    ...(values.agents === undefined ? {} : { agents: values.agents.split(",").map((name) => name.trim()) }),
    ...(values.benchmark === undefined ? {} : { benchmark: values.benchmark }),
    ...(values.task === undefined ? {} : { task: oneOf("--task", TASKS, values.task) }),
    ...(values.terms === undefined ? {} : { terms: values.terms }),
    excluded,
  };
  const limit = values.limit === undefined ? Number.POSITIVE_INFINITY : wholeNumber("--limit", values.limit);
  const counts = new Map<string, ImportCounts>();
  const imported = importMags(positionals, options, counts);
  const written = await writeMags(out, upTo(limit, values.merge ? allMerged(imported) : imported));
  if (values.json) {
    console.log(JSON.stringify({ out, written, sources: Object.fromEntries(counts) }, null, 2));
  } else console.log(reportText(out, written, counts, options.use ?? "train"));
  return written === 0 ? 1 : 0;
}

async function* allMerged(mags: AsyncIterable<Mag>): AsyncGenerator<Mag> {
  const all: Mag[] = [];
  for await (const mag of mags) all.push(mag);
  yield* mergeMags(all);
}

async function* upTo(limit: number, mags: AsyncIterable<Mag>): AsyncGenerator<Mag> {
  let count = 0;
  if (limit === 0) return;
  for await (const mag of mags) {
    yield mag;
    count += 1;
    if (count >= limit) return;
  }
}

function reportText(
  out: string,
  written: number,
  counts: ReadonlyMap<string, ImportCounts>,
  use: string,
): string {
  const sum = (field: keyof ImportCounts): number =>
    [...counts.values()].reduce((total, count) => total + count[field], 0);
  const rows = [...counts].map(([source, count]) => [
    source.split("/").at(-1) ?? source,
    count.records,
    count.otherUse,
    count.excludedQuestions,
    count.mags,
    count.nodes,
    count.edges,
    count.correct,
    count.relabelled,
    count.withoutAnswer,
    count.sentencesRemoved,
    count.annotationsRemoved,
  ]);
  const header = [
    "source",
    "records",
    `not ${use}`,
    "excluded",
    "MAGs",
    "nodes",
    "edges",
    "right",
    "relabelled",
    "unanswered",
    "echoes",
    "<<…>>",
  ];
  const notes = [
    `${sum("otherUse")} records are not for ${use} and were not written`,
    `${sum("excludedQuestions")} records ask a question that is kept for evaluation`,
    `${sum("unreadableGold")} records have a gold answer that is none of their task's`,
    `${sum("withoutNodes")} records have no output of the agents and rounds asked for`,
    `${sum("repeatedNodes")} outputs are an agent's second in one round`,
    `${sum("withoutReasoning")} nodes have no reasoning`,
  ];
  return [textTable(header, rows), notes.join("\n"), `${out}: ${written} MAGs`].join("\n\n");
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
