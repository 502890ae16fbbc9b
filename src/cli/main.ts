// The command magdi: runs the named command and turns its errors into one line and an exit code.

import { MagdiError } from "../base/errors.ts";
import { packageVersion } from "../base/package-files.ts";
import { nearestName } from "../base/settings/nearest-name.ts";
import { MagdiApiError, MagdiConnectionError } from "../client/client-error.ts";
import type { Command } from "./command.ts";

/** Each is loaded when it is called, so that serving does not wait for what importing needs. */
const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  serve: async () => {
    const [{ createServeCommand }, { openStudent }] = await Promise.all([
      import("./serve.ts"),
      import("../asking/student.ts"),
    ]);
    return createServeCommand((folder, { config, onStep }) => openStudent(folder, { ...config, onStep }));
  },
  import: async () => (await import("./import.ts")).importCommand,
  train: async () => (await import("./train.ts")).trainCommand,
  debate: async () => (await import("./debate.ts")).debateCommand,
  eval: async () => (await import("./eval.ts")).evalCommand,
  experiment: async () => (await import("./experiment.ts")).experimentCommand,
  export: async () => (await import("./export.ts")).exportCommand,
  vote: async () => (await import("./vote.ts")).voteCommand,
  doctor: async () => (await import("./doctor.ts")).doctorCommand,
};

async function help(): Promise<string> {
  const commands = await Promise.all(Object.values(COMMANDS).map((load) => load()));
  const lines = commands.map(({ name, summary }) => `  ${name.padEnd(10)} ${summary}`);
  return `Usage: magdi COMMAND [options]\n\n${lines.join("\n")}\n\nmagdi COMMAND --help explains each.`;
}

/** Where an error was thrown, for those who look for its cause. */
function placeOf({ stack = "" }: Error): string {
  const place = /\n +at (.*)/.exec(stack)?.[1];
  return place === undefined ? "" : ` (at ${place})`;
}

/** Runs one command line; resolves to the exit code: 0 done, 1 failed, 2 wrong usage. */
export async function main(argv: readonly string[]): Promise<number> {
  const [name, ...rest] = argv;
  if (name === undefined || name === "--help" || name === "-h" || name === "help") {
    console.log(await help());
    return name === undefined ? 2 : 0;
  }
  if (name === "--version" || name === "-v") {
    console.log(packageVersion());
    return 0;
  }
  const load = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (load === undefined) {
    const near = nearestName(name, Object.keys(COMMANDS));
    const meant = near === null ? "" : `, did you mean ${near}?`;
    console.error(
      `magdi: unknown command "${name}"${meant}; expected one of ${Object.keys(COMMANDS).join(", ")}`,
    );
    return 2;
  }
  const command = await load();
  if (rest.includes("--help") || rest.includes("-h")) {
    console.log((await command.helpFor?.(rest)) ?? command.help);
    return 0;
  }
  try {
    return await command.run(rest);
  } catch (error) {
    const ofServer = error instanceof MagdiApiError || error instanceof MagdiConnectionError;
    if (error instanceof RangeError) {
      console.error(
        `magdi ${name}: an input nests too deep, or is too long: ${error.message}${placeOf(error)}`,
      );
      return 1;
    }
    if (!(error instanceof MagdiError) && !ofServer) throw error;
    console.error(`magdi ${name}: ${error.message}`);
    return error instanceof MagdiError && error.code === "MAGDI_BAD_CONFIG" ? 2 : 1;
  }
}
