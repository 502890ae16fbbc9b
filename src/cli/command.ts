// What the dispatcher needs to know of a command. It knows none of them.

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
