// magdi eval compare: whether one run is better than another on the same questions.

import { z } from "zod";
import { MagdiError } from "../base/errors.ts";
import { writeWholeFile } from "../base/files/whole-file.ts";
import { text, wholeNumber } from "../base/settings/kinds.ts";
import { helpLines } from "../base/settings/setting.ts";
import { compareReports } from "../eval/compare.ts";
import { datasetTitle } from "../eval/datasets.ts";
import { percent, table } from "../eval/markdown.ts";
import { reportText } from "../eval/report.ts";
import { parseFlags, type Subcommand, usageError } from "./command.ts";

const FLAGS = z.object({
  json: text("a file", "OUT").exactOptional().describe("write the results as JSON"),
  seed: wholeNumber(0).default(0).describe("seed of the resamples"),
});

const HELP = `Usage: magdi eval compare A B [--json OUT] [--seed N]

Compares two reports on the questions that both asked: the difference of accuracies (B − A) with its 95 % interval and
p-value by a paired bootstrap of 10 000 resamples.

${helpLines(FLAGS)}
`;

async function run(argv: readonly string[]): Promise<number> {
  const { values, words } = parseFlags("eval compare", argv, FLAGS, { words: true });
  const [a, b, ...more] = words;
  if (a === undefined || b === undefined || more.length > 0) throw usageError("eval compare", "two reports");
  const results = compareReports(a, b, values.seed);
  if (results.length === 0)
    throw new MagdiError("MAGDI_BAD_FILE", `${a}, ${b}: expected a question that both asked, found none`);
  const rows = results.map((one) => [
    one.dataset === "all" ? "all" : datasetTitle(one.dataset),
    String(one.questions),
    percent(one.accuracyA),
    percent(one.accuracyB),
    signed(one.difference),
    one.interval.map(signed).join(" to "),
    one.p.toFixed(4),
    `${one.onlyA} / ${one.onlyB}`,
  ]);
  const head = ["data set", "questions", "A", "B", "B − A", "95 %", "p", "only A / only B right"];
  process.stdout.write(`A: ${a}\nB: ${b}\n\n${table(head, rows)}\n`);
  if (values.json !== undefined) writeWholeFile(values.json, reportText({ a, b, results }));
  return 0;
}

function signed(share: number): string {
  return `${share > 0 ? "+" : ""}${percent(share)}`;
}

export const evalCompareCommand: Subcommand = { help: HELP, run };
