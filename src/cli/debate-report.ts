// magdi debate report: what debates of one folder or several came to.

import path from "node:path";
import { z } from "zod";
import { MagdiError } from "../base/errors.ts";
import { text } from "../base/settings/kinds.ts";
import { helpLines } from "../base/settings/setting.ts";
import { debatePage } from "../debate/debate-page.ts";
import { debateReport } from "../debate/debate-report.ts";
import { type NamedFolders, readRuns, writeDebateReport } from "../debate/write-report.ts";
import { assertFileName } from "../eval/report.ts";
import { parseFlags, type Subcommand, usageError } from "./command.ts";

const FLAGS = z.object({
  json: text("a file", "OUT.json").exactOptional().describe("the report; page and figures beside it"),
});

const HELP = `Usage: magdi debate report [NAME=]FOLDER... [--json OUT.json]

Reports debates from their transcripts and journals: accuracy and tokens by agent, round and data set, the team's votes,
consensus, minds changed, money, and self-consistency where it was asked for. Folders of the same NAME are counted as one
run, others are shown side by side. Without --json the page is printed.

${helpLines(FLAGS)}
`;

async function run(argv: readonly string[]): Promise<number> {
  const { values, words } = parseFlags("debate report", argv, FLAGS, { words: true });
  if (words.length === 0) throw usageError("debate report", "folders of debates");
  const runs = namedRuns(words);
  if (values.json === undefined) {
    process.stdout.write(debatePage(debateReport(await readRuns(runs)), []));
    return 0;
  }
  assertFileName(values.json, "--json");
  const { files } = await writeDebateReport(runs, values.json);
  process.stdout.write(`${files.join(", ")}\n`);
  return 0;
}

/** By name, in the order of the words. @throws MAGDI_BAD_CONFIG for unnamed folders that end alike */
function namedRuns(words: readonly string[]): NamedFolders[] {
  const runs = new Map<string, string[]>();
  for (const word of words) {
    const [, given, named] = /^([^=/]+)=(.+)$/.exec(word) ?? [];
    const name = given ?? path.basename(path.resolve(word));
    const folders = runs.get(name) ?? [];
    if (given === undefined && folders.length > 0) {
      throw new MagdiError(
        "MAGDI_BAD_CONFIG",
        `expected runs with different names, found ${name} twice: use NAME=FOLDER`,
      );
    }
    runs.set(name, [...folders, named ?? word]);
  }
  return [...runs].map(([name, folders]) => ({ name, folders }));
}

export const debateReportCommand: Subcommand = { help: HELP, run };
