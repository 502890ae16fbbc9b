// A command's arguments read against its schema of settings.

import { parseArgs } from "node:util";
import type { z } from "zod";
import { MagdiError } from "../base/errors.ts";
import { settingsOf } from "../base/settings/setting.ts";
import { fromFlags, readSettings } from "../base/settings/sources.ts";

export interface ParsedFlags<T> {
  /** By key, defaults where no flag was given. */
  readonly values: T;
  /** By key, those of the flags that were given. */
  readonly given: Partial<T>;
  /** By flag as they were typed, for whoever has other sources too. */
  readonly typed: Readonly<Record<string, unknown>>;
  /** What is no flag; none unless the command takes some. */
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
    // parseArgs names the flag in its first sentence; the rest is advice for another kind of command.
    const [sentence] = cause.message.split(/\.(?:\s|$)/);
    throw new MagdiError("MAGDI_BAD_CONFIG", `${sentence}; see: magdi ${command} --help`, { cause });
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

/** For arguments that are lacking, or too many. */
export function usageError(command: string, expected: string): MagdiError {
  return new MagdiError("MAGDI_BAD_CONFIG", `expected ${expected}, see: magdi ${command} --help`);
}
