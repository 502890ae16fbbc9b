// magdi eval: asks a student or a server the questions of benchmarks and writes a report.

import { withSubcommands } from "./command.ts";
import { EVAL_FLAGS_HELP, evalRun, runEvaluation } from "./eval-run.ts";

const HELP = `Usage: magdi eval --data FILE... --json OUT [--model DIR|URL] [options]
       magdi eval rerun REPORT | compare A B | report REPORT... | extraction FILE...

Asks the questions of benchmarks and reports accuracy, tokens and the effect of voting: OUT (JSON), and next to it a
Markdown page, SVG figures, all answers (.answers.jsonl) and the times (.timing.json). To continue an interrupted run,
run the same command again.

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
