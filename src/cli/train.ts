// magdi train: finds the subcommand, each loaded only when it is called.

import { MagdiError } from "../errors.ts";
import type { Command } from "./command.ts";

const SUBCOMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  verify: async () => (await import("./train-verify.ts")).trainVerifyCommand,
};

const HELP = `Usage: magdi train COMMAND [options]

  verify   check training against a folder of reference results

magdi train COMMAND --help explains each.
`;

function subcommand(name: string | undefined): (() => Promise<Command>) | undefined {
  return name !== undefined && Object.hasOwn(SUBCOMMANDS, name) ? SUBCOMMANDS[name] : undefined;
}

async function run([name, ...rest]: readonly string[]): Promise<number> {
  const load = subcommand(name);
  if (load !== undefined) return (await load()).run(rest);
  throw new MagdiError(
    "MAGDI_BAD_CONFIG",
    `expected one of ${Object.keys(SUBCOMMANDS).join(", ")}, found ${name === undefined ? "nothing" : `"${name}"`}, see: magdi train --help`,
  );
}

export const trainCommand: Command = {
  name: "train",
  summary: "train a student's adapter, and check training",
  help: HELP,
  helpFor: async ([name]) => (await subcommand(name)?.())?.help ?? HELP,
  run,
};
