// magdi eval rerun: repeats the run of a report and checks that the answers are the same.

import { readFileSync } from "node:fs";
import { DEVICE_SETTINGS } from "../engine/engine-settings.ts";
import { readReport, runFiles } from "../eval/report.ts";
import { DTYPES } from "../student/dtype.ts";
import { type Subcommand, usageError } from "./command.ts";
import { evalRun, runEvaluation } from "./eval-run.ts";

const HELP = `Usage: magdi eval rerun REPORT [options of magdi eval]

Asks the same model the same questions with the report's settings, and says whether the answers are the same. Paths are
those of the report: run it in the same folder, or give --model and --data.

  --json OUT   the new report (default: REPORT with .rerun before its ending)
`;

async function run(argv: readonly string[]): Promise<number> {
  const [file, ...rest] = argv;
  if (file === undefined || file.startsWith("-")) {
    throw usageError("eval rerun", "a report's file as the first argument");
  }
  const report = readReport(file);
  const { model, settings, data } = report;
  const device = DEVICE_SETTINGS.find((name) => name === model.device);
  const again = evalRun(rest, {
    out: file.replace(/(?:\.json)?$/, ".rerun.json"),
    data: data.map((one) => one.file),
    model: model.source,
    modelName: model.asked_name,
    settings,
    dtype: DTYPES.find((dtype) => dtype === model.dtype && model.kind === "folder") ?? null,
    api: model.kind === "folder" ? "auto" : model.kind,
    contextLength: model.context_length,
    ...(device === undefined ? {} : { device }),
  });
  const code = await runEvaluation(again);
  if (code !== 0) return code;
  const repeated = readReport(again.out);
  const changed = data.filter(({ file: name, sha256 }) =>
    repeated.data.some((one) => one.file === name && one.sha256 !== sha256),
  );
  for (const { file: name } of changed) process.stdout.write(`${name} has changed since the report\n`);
  if (JSON.stringify(model.files) !== JSON.stringify(repeated.model.files)) {
    process.stdout.write(`the model's files differ from those of ${file}\n`);
  }
  const same = report.answers_sha256 === repeated.answers_sha256;
  const answers = runFiles(again.out).answers;
  const lines = same ? "" : `: ${differing(runFiles(file).answers, answers)}`;
  process.stdout.write(`${same ? "the same answers" : "different answers"}${lines}\n`);
  return same ? 0 : 1;
}

/** How many lines of two files of answers differ. */
function differing(before: string, after: string): string {
  try {
    const [old, now] = [before, after].map((name) => readFileSync(name, "utf8").split("\n"));
    const count = (now ?? []).filter((line, index) => line !== old?.[index]).length;
    return `${count} of ${(now ?? []).length - 1} questions`;
  } catch {
    return `${before} does not exist, so nothing can be compared`;
  }
}

export const evalRerunCommand: Subcommand = { help: HELP, run };
