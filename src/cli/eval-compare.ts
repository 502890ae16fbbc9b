// magdi eval compare: is one run better than another on the same questions?

import { parseArgs } from "node:util";
import { MagdiError } from "../base/errors.ts";
import { writeWholeFile } from "../base/files/whole-file.ts";
import { compareReports } from "../eval/compare.ts";
import { datasetTitle } from "../eval/datasets.ts";
import { percent, table } from "../eval/markdown.ts";
import { reportText } from "../eval/report.ts";
import type { Command } from "./command.ts";
import { whole } from "./eval.ts";

const HELP = `Usage: magdi eval compare A B [--json OUT] [--seed N]

Compares two reports by the questions that both asked: the difference of accuracies (B less A) with its interval of
95 % and its p by a paired bootstrap of 10 000 resamples.
`;

async function run(argv: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: { json: { type: "string" }, seed: { type: "string" } },
  });
  const [a, b, ...more] = positionals;
  if (a === undefined || b === undefined || more.length > 0) {
    throw new MagdiError("MAGDI_BAD_CONFIG", "expected two reports, see: magdi eval compare --help");
  }
  const results = compareReports(a, b, whole(values.seed, "seed", 0) ?? 0);
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

export const evalCompareCommand: Pick<Command, "help" | "run"> = { help: HELP, run };
