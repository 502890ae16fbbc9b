// magdi debate: agents debate questions, and what they say becomes training data.

import { withSubcommands } from "./command.ts";
import { DEBATE_FLAGS_HELP, runDebateCommand } from "./debate-run.ts";

const HELP = `Usage: magdi debate --agents FILE --data FILE... --out FOLDER [options]
       magdi debate convince --agents FILE --data FILE... --out FILE
       magdi debate report FOLDER... | show FOLDER [ID]

Has two or more agents debate questions, and writes transcripts.jsonl, mags.jsonl (which magdi train takes), report.md,
report.json with figures, and baselines.json (which magdi serve and magdi eval take as --baselines). Every call is written to
journal.jsonl before its answer is used: to continue an interrupted run, run the same command again. Ctrl-C ends after
the running calls.

${DEBATE_FLAGS_HELP}
`;

export const debateCommand = withSubcommands(
  {
    name: "debate",
    summary: "have agents debate questions, as training data",
    help: HELP,
    run: runDebateCommand,
  },
  {
    show: async () => (await import("./debate-show.ts")).debateShowCommand,
    convince: async () => (await import("./debate-convince.ts")).debateConvinceCommand,
    report: async () => (await import("./debate-report.ts")).debateReportCommand,
  },
);
