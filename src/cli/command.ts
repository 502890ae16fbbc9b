// The interface of a command, and commands with subcommands.

export interface Command {
  readonly name: string;
  /** One line for the list of commands. */
  readonly summary: string;
  /** The whole help text. */
  readonly help: string;
  /** The help text for these arguments, if a command has several. */
  helpFor?(argv: readonly string[]): Promise<string>;
  /** Runs with the arguments after the command's name; resolves to the exit code. */
  run(argv: readonly string[]): Promise<number>;
}

export type Subcommand = Pick<Command, "help" | "run">;

/** Adds subcommands by name, each loaded when it is called. */
export function withSubcommands(
  command: Command,
  subcommands: Readonly<Record<string, () => Promise<Subcommand>>>,
): Command {
  const find = async (name = ""): Promise<Subcommand | undefined> =>
    Object.hasOwn(subcommands, name) ? subcommands[name]?.() : undefined;
  return {
    ...command,
    helpFor: async ([name]) => (await find(name))?.help ?? command.help,
    async run(argv) {
      const subcommand = await find(argv[0]);
      return subcommand === undefined ? command.run(argv) : subcommand.run(argv.slice(1));
    },
  };
}
