// The interface of a command, commands with subcommands, and the parsing of flags by a schema of settings.

import { existsSync } from "node:fs";
import { parseArgs } from "node:util";
import type { z } from "zod";
import { MagdiError } from "../base/errors.ts";
import { nearestName } from "../base/settings/nearest-name.ts";
import { fromFlags, readSettings } from "../base/settings/read-settings.ts";
import { type Setting, settingsOf } from "../base/settings/setting.ts";

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
        `unknown command "${first}", did you mean ${nearest}?; see: magdi ${command.name} --help`,
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
  const settings = new Map(settingsOf(schema).flatMap((one) => (one.flag === null ? [] : [[one.flag, one]])));
  const { typed, words } = parsed(command, argv, settings, takesWords);
  const source = fromFlags(schema, typed);
  const values = readSettings(schema, [source]);
  const given = Object.entries(values).filter(([key]) => Object.hasOwn(source.values, key));
  return {
    values,
    given: Object.fromEntries(given) as Partial<typeof values>, // some of its entries
    typed,
    words,
  };
}

/** What was typed, by flag, and the words that belong to none. @throws MAGDI_BAD_CONFIG */
function parsed(
  command: string,
  argv: readonly string[],
  settings: ReadonlyMap<string, Setting>,
  takesWords: boolean,
): Pick<ParsedFlags<unknown>, "typed" | "words"> {
  const isBare = ({ type }: Setting) => type === "bare flag";
  const options = [...settings].map(([flag, one]) => {
    const type = isBare(one) ? ("boolean" as const) : ("string" as const);
    return [flag, { type, multiple: !isBare(one) && one.type === "list" }] as const;
  });
  const refuse = (sentence: string, cause?: TypeError) =>
    new MagdiError("MAGDI_BAD_CONFIG", `${sentence}; see: magdi ${command} --help`, { cause });
  try {
    const { values, tokens } = parseArgs({
      args: [...argv],
      options: Object.fromEntries(options),
      allowPositionals: true,
      tokens: true,
    });
    const items = new Map<string, string[]>();
    const words: string[] = [];
    let open: string | null = null;
    for (const token of tokens) {
      if (token.kind === "option") {
        const setting = settings.get(token.name);
        open = setting?.facts.takesWords ? token.name : null;
        if (setting?.type === "list" && token.value !== undefined) {
          const more = setting.facts.takesWords ? namesIn(token.value) : [token.value];
          items.set(token.name, [...(items.get(token.name) ?? []), ...more]);
        }
      } else if (token.kind === "positional" && open !== null) {
        items.get(open)?.push(...namesIn(token.value));
      } else if (token.kind === "positional") {
        if (!takesWords) throw refuse(`Unexpected argument '${token.value}'`);
        words.push(token.value);
      } else open = null;
    }
    // A list without repeats has commas between its items, and may be given in parts.
    const lists = [...items].map(([flag, list]) => [
      flag,
      settings.get(flag)?.facts.repeats ? list : list.join(","),
    ]);
    return { typed: { ...values, ...Object.fromEntries(lists) }, words };
  } catch (cause) {
    if (!(cause instanceof TypeError)) throw cause;
    // parseArgs names the flag in its first sentence; the rest is advice that does not apply here.
    const [sentence = ""] = cause.message.split(/\.(?:\s|$)/);
    const unknown = /^Unknown option '--([^']+)'/.exec(sentence)?.[1];
    const near = unknown === undefined ? null : nearestName(unknown, [...settings.keys()]);
    throw refuse(near === null ? sentence : `${sentence}, did you mean --${near}?`, cause);
  }
}

/** A file's name, or several with commas between. */
function namesIn(given: string): string[] {
  return existsSync(given) ? [given] : given.split(",").map((name) => name.trim());
}

/** For missing or surplus arguments. */
export function usageError(command: string, expected: string): MagdiError {
  return new MagdiError("MAGDI_BAD_CONFIG", `expected ${expected}, see: magdi ${command} --help`);
}
