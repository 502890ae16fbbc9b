// magdi train: trains, or finds the subcommand; each is loaded only when it is called.

import { type Command, type Subcommands, subcommandOf } from "./command.ts";
import { runTrain, TRAIN_RUN_HELP } from "./train-run.ts";

const SUBCOMMANDS: Subcommands = {
  "import-mags": async () => {
    const { IMPORT_MAGS_HELP, runImportMags } = await import("./train-import-mags.ts");
    return { help: IMPORT_MAGS_HELP, run: runImportMags };
  },
  stats: async () => {
    const { runTrainStats, TRAIN_STATS_HELP } = await import("./train-stats.ts");
    return { help: TRAIN_STATS_HELP, run: runTrainStats };
  },
  report: async () => (await import("./train-report.ts")).trainReportCommand,
  verify: async () => (await import("./train-verify.ts")).trainVerifyCommand,
};

const HELP = `${TRAIN_RUN_HELP}
Commands:
  import-mags                make MAGs of agents' outputs
  stats                      what files of MAGs hold
  report                     draw the curves of training runs
  verify                     check training against a folder of reference results
magdi train COMMAND --help explains each.
`;

export const trainCommand: Command = {
  name: "train",
  summary: "train a student on interaction graphs, and what belongs to it",
  help: HELP,
  helpFor: async ([name]) => (await subcommandOf(SUBCOMMANDS, name)?.())?.help ?? HELP,
  async run(argv) {
    const [name, ...rest] = argv;
    const load = subcommandOf(SUBCOMMANDS, name);
    return load === undefined ? runTrain(argv) : (await load()).run(rest);
  },
};
