// What the dispatcher needs to know of a command, and how a command finds its own. It knows none of them.

export interface Command {
  readonly name: string;
  /** One line for the list of commands. */
  readonly summary: string;
  /** The whole help text. */
  readonly help: string;
  /** The help text that these arguments ask for, where a command has several. */
  helpFor?(argv: readonly string[]): Promise<string>;
  /** Runs with the arguments after the command's name; resolves to the exit code. */
  run(argv: readonly string[]): Promise<number>;
}

/** A command's own commands by name, each loaded when it is called. */
export type Subcommands = Readonly<Record<string, () => Promise<Pick<Command, "help" | "run">>>>;

/** The one of that name, or undefined: then the first argument is no subcommand. */
export function subcommandOf(
  commands: Subcommands,
  name: string | undefined,
): Subcommands[string] | undefined {
  return name !== undefined && Object.hasOwn(commands, name) ? commands[name] : undefined;
}
