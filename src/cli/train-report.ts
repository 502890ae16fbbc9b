// magdi train report: draws the curves of training runs as a page and an SVG.

import path from "node:path";
import { z } from "zod";
import { text } from "../base/settings/kinds.ts";
import { helpLines } from "../base/settings/setting.ts";
import { writeReport } from "../train/report/report.ts";
import { parseFlags, type Subcommand, usageError } from "./command.ts";

const FLAGS = z.object({
  out: text("a folder", "DIR")
    .exactOptional()
    .describe(
      "where to write report.svg and report.html (default for one run: RUN/report);\nthe page is self-contained",
    ),
});

const HELP = `Usage: magdi train report RUN... [--out DIR]

Draws the curves of training runs, finished or not: each loss, the accuracy of the node classifier
next to that of always predicting the more frequent label, tokens per second, learning rate and gradient
norm; several runs share the charts and a table.

RUN is the folder of a run of magdi train.

${helpLines(FLAGS)}
`;

async function run(argv: readonly string[]): Promise<number> {
  const { values, words } = parseFlags("train report", argv, FLAGS, { words: true });
  const [only, ...others] = words;
  if (only === undefined) throw usageError("train report", "at least one RUN");
  if (others.length > 0 && values.out === undefined) {
    throw usageError("train report", "--out DIR for a report of several runs");
  }
  const { svg, page, runs } = await writeReport(words, values.out ?? path.join(only, "report"));
  for (const { name, problems } of runs) {
    for (const problem of problems) process.stderr.write(`${name}: ${problem}\n`);
  }
  console.log(`${page}\n${svg}`);
  return 0;
}

export const trainReportCommand: Subcommand = { help: HELP, run };
