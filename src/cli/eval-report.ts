// magdi eval report: several runs side by side on one page.

import { parseArgs } from "node:util";
import { MagdiError } from "../base/errors.ts";
import { labelOf, writePage } from "../eval/evaluation.ts";
import { readReport, readTiming } from "../eval/report.ts";
import type { Command } from "./command.ts";

const HELP = `Usage: magdi eval report [NAME=]REPORT... --out PAGE.md

Writes the runs side by side: a page in Markdown with their tables, tokens per second among them where the runs' times
are still there, and figures in SVG beside it. NAME is how a run is called there.
`;

async function run(argv: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: { out: { type: "string" } },
  });
  const { out } = values;
  if (out === undefined || positionals.length === 0) {
    throw new MagdiError(
      "MAGDI_BAD_CONFIG",
      "expected reports and --out PAGE.md, see: magdi eval report --help",
    );
  }
  const runs = positionals.map((given) => {
    const [, name, file = given] = /^([^=/]+)=(.+)$/.exec(given) ?? [];
    const report = readReport(file);
    return { label: name ?? labelOf(report), report, timing: readTiming(file) };
  });
  if (new Set(runs.map(({ label }) => label)).size < runs.length) {
    throw new MagdiError("MAGDI_BAD_CONFIG", "expected runs with names of their own: NAME=REPORT gives one");
  }
  await writePage(out, runs);
  process.stdout.write(`${out}\n`);
  return 0;
}

export const evalReportCommand: Pick<Command, "help" | "run"> = { help: HELP, run };
