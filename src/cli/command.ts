// The interface of a command, commands with subcommands, and the parsing of flags by a schema of settings.

import { parseArgs } from "node:util";
import type { z } from "zod";
import { MagdiError } from "../base/errors.ts";
import { nearestName } from "../base/settings/near-miss.ts";
import { fromFlags, readSettings } from "../base/settings/read-settings.ts";
import { settingsOf } from "../base/settings/setting.ts";

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
      const [first = ""] = argv;
      const subcommand = await find(first);
      if (subcommand !== undefined) return subcommand.run(argv.slice(1));
      const nearest = first.startsWith("-") ? null : nearestName(first, Object.keys(subcommands));
      if (nearest === null) return command.run(argv);
      throw new MagdiError(
        "MAGDI_BAD_CONFIG",
        `unknown command "${first}": did you mean ${nearest}? See: magdi ${command.name} --help`,
      );
    },
  };
}

export interface ParsedFlags<T> {
  /** By key, with defaults. */
  readonly values: T;
  /** By key, only the given flags. */
  readonly given: Partial<T>;
  /** By flag, as typed, for commands with other sources of settings. */
  readonly typed: Readonly<Record<string, unknown>>;
  /** Positional arguments; always empty unless the command accepts some. */
  readonly words: readonly string[];
}

/** `command` is its name, for errors. @throws MAGDI_BAD_CONFIG naming the flag, in one line */
export function parseFlags<S extends z.core.$ZodLooseShape>(
  command: string,
  argv: readonly string[],
  schema: z.ZodObject<S>,
  { words: takesWords = false } = {},
): ParsedFlags<z.output<z.ZodObject<S>>> {
  const flags = settingsOf(schema).flatMap(({ flag, type, facts }) => {
    const multiple = facts.repeats === true;
    return flag === null
      ? []
      : [[flag, { type: type === "bare flag" ? "boolean" : "string", multiple }] as const];
  });
  let parsed: ReturnType<typeof parseArgs>;
  try {
    parsed = parseArgs({
      args: [...argv],
      options: Object.fromEntries(flags),
      allowPositionals: takesWords,
    });
  } catch (cause) {
    if (!(cause instanceof TypeError)) throw cause;
    // parseArgs names the flag in its first sentence; the rest is advice that does not apply here.
    const [sentence] = cause.message.split(/\.(?:\s|$)/);
    const unknown = /^Unknown option '--?([^'=]+)/.exec(cause.message)?.[1];
    const nearest =
      unknown === undefined
        ? null
        : nearestName(
            unknown,
            flags.map(([flag]) => flag),
          );
    const see = nearest === null ? "; see" : `: did you mean --${nearest}? See`;
    throw new MagdiError("MAGDI_BAD_CONFIG", `${sentence}${see}: magdi ${command} --help`, { cause });
  }
  const source = fromFlags(schema, parsed.values);
  const values = readSettings(schema, [source]);
  const given = Object.entries(values).filter(([key]) => Object.hasOwn(source.values, key));
  return {
    values,
    given: Object.fromEntries(given) as Partial<typeof values>, // some of its entries
    typed: parsed.values,
    words: parsed.positionals,
  };
}

/** For missing or surplus arguments. */
export function usageError(command: string, expected: string): MagdiError {
  return new MagdiError("MAGDI_BAD_CONFIG", `expected ${expected}, see: magdi ${command} --help`);
}
