// magdi train report: runs' folders in, a page and an SVG of their curves out.

import path from "node:path";
import { parseArgs } from "node:util";
import { MagdiError } from "../base/errors.ts";
import { writeReport } from "../train/report/report.ts";
import type { Command } from "./command.ts";

const HELP = `Usage: magdi train report RUN... [--out DIR]

Draws the curves of training runs, finished or not: each loss, the accuracy of the node classifier
beside that of always answering the commonest label, tokens per second, learning rate and gradient
norm; several runs in the same charts, and side by side in a table.

  RUN...           folders that magdi train wrote
  --out DIR        where report.svg and report.html go (default, for one run: RUN/report); the page
                   holds everything it shows
`;

async function run(argv: readonly string[]): Promise<number> {
  const options = { out: { type: "string" } } as const;
  const { values, positionals } = parseArgs({ args: [...argv], options, allowPositionals: true });
  const [only, ...others] = positionals;
  if (only === undefined || (others.length > 0 && values.out === undefined)) {
    const expected = only === undefined ? "at least one RUN" : "--out DIR for a report of several runs";
    throw new MagdiError("MAGDI_BAD_CONFIG", `expected ${expected}, see: magdi train report --help`);
  }
  const { svg, page, runs } = await writeReport(positionals, values.out ?? path.join(only, "report"));
  for (const { name, problems } of runs) {
    for (const problem of problems) process.stderr.write(`${name}: ${problem}\n`);
  }
  console.log(`${page}\n${svg}`);
  return 0;
}

export const trainReportCommand: Command = {
  name: "report",
  summary: "draw the curves of training runs",
  help: HELP,
  run,
};
