// magdi eval: a student or a server asked the questions of benchmarks, and a report of what came of it. Its
// subcommands are loaded when they are called.

import { withSubcommands } from "./command.ts";
import { EVAL_FLAGS_HELP, evalRun, runEvaluation } from "./eval-run.ts";

const HELP = `Usage: magdi eval --data FILE... --json OUT [--model DIR|URL] [options]
       magdi eval rerun REPORT | compare A B | report REPORT... | extraction FILE...

Asks the questions of benchmarks and reports accuracy, tokens and what voting buys: OUT (JSON), and beside it a page
in Markdown, figures in SVG, every answer (.answers.jsonl) and how long it took (.timing.json). A run that was cut goes
on where it stopped when the same command is given again.

${EVAL_FLAGS_HELP}
`;

export const evalCommand = withSubcommands(
  {
    name: "eval",
    summary: "measure a student or a server on benchmarks",
    help: HELP,
    run: (argv) => runEvaluation(evalRun(argv)),
  },
  {
    rerun: async () => (await import("./eval-rerun.ts")).evalRerunCommand,
    compare: async () => (await import("./eval-compare.ts")).evalCompareCommand,
    report: async () => (await import("./eval-report.ts")).evalReportCommand,
    extraction: async () => (await import("./eval-extraction.ts")).evalExtractionCommand,
  },
);
