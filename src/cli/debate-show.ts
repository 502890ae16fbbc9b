// magdi debate show: a debate as a table in the terminal or as a page, or a list of the debates that there are.

import { z } from "zod";
import { writeWholeFile } from "../base/files/whole-file.ts";
import { text } from "../base/settings/kinds.ts";
import { helpLines } from "../base/settings/setting.ts";
import { debateHtml } from "../debate/page/debate-html.ts";
import { debateList, debateText } from "../debate/page/debate-text.ts";
import { findDebate, readDebates } from "../debate/page/read-debates.ts";
import { parseFlags, type Subcommand, usageError } from "./command.ts";

const FLAGS = z.object({
  out: text("a file", "PAGE.html").exactOptional().describe("write the debate as a page, all in one file"),
});

const HELP = `Usage: magdi debate show FOLDER|FILE [ID] [--out PAGE.html]

Shows the debate of the question ID: who answered what in which round, the team's votes, and what it cost. The page also has
the reasoning, and marks where each answer came from. Without ID it lists the questions with their outcome.

FOLDER is what magdi debate wrote; FILE holds transcripts, or graphs (mags.jsonl), or agents' outputs that magdi train
import-mags reads. Where several benchmarks have a question ID, name BENCHMARK/ID.

${helpLines(FLAGS)}
`;

async function run(argv: readonly string[]): Promise<number> {
  const { values, words } = parseFlags("debate show", argv, FLAGS, { words: true });
  const [place, id, ...others] = words;
  if (place === undefined || others.length > 0)
    throw usageError("debate show", "FOLDER or FILE, and perhaps an ID");
  if (id === undefined) {
    if (values.out !== undefined) throw usageError("debate show", "the ID of the debate for --out");
    process.stdout.write(`${await debateList(readDebates(place))}\n`);
    return 0;
  }
  const view = await findDebate(place, id);
  if (values.out === undefined) {
    process.stdout.write(`${debateText(view)}\n`);
  } else {
    writeWholeFile(values.out, debateHtml(view));
    process.stdout.write(`${values.out}\n`);
  }
  return 0;
}

export const debateShowCommand: Subcommand = { help: HELP, run };
