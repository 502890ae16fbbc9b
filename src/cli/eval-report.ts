// magdi eval report: several runs side by side on one page.

import { z } from "zod";
import { MagdiError } from "../base/errors.ts";
import { text } from "../base/settings/kinds.ts";
import { helpLines } from "../base/settings/setting.ts";
import { labelOf, writePage } from "../eval/evaluation.ts";
import { assertFileName, readReport, readTiming } from "../eval/report.ts";
import { parseFlags, type Subcommand, usageError } from "./command.ts";

const FLAGS = z.object({ out: text("a file", "PAGE.md").exactOptional().describe("the page") });

const HELP = `Usage: magdi eval report [NAME=]REPORT... --out PAGE.md

Writes a Markdown page that shows the runs side by side, with tables and SVG figures. Tokens per second are included
if a run's .timing.json still exists. NAME is the run's name on the page.

${helpLines(FLAGS)}
`;

async function run(argv: readonly string[]): Promise<number> {
  const { values, words } = parseFlags("eval report", argv, FLAGS, { words: true });
  const { out } = values;
  if (out === undefined || words.length === 0) throw usageError("eval report", "reports and --out PAGE.md");
  assertFileName(out, "--out");
  const runs = words.map((given) => {
    const [, name, file = given] = /^([^=/]+)=(.+)$/.exec(given) ?? [];
    const report = readReport(file);
    return { label: name ?? labelOf(report), report, timing: readTiming(file) };
  });
  if (new Set(runs.map(({ label }) => label)).size < runs.length) {
    throw new MagdiError("MAGDI_BAD_CONFIG", "expected runs with different names: use NAME=REPORT");
  }
  await writePage(out, runs);
  process.stdout.write(`${out}\n`);
  return 0;
}

export const evalReportCommand: Subcommand = { help: HELP, run };
