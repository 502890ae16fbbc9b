// The kinds of settings as Zod schemas. Each says in a few words what it takes: its errors, behind "expected", say that.

import { z } from "zod";

export interface SettingFacts {
  /** What stands for the value in a help text, as in --out DIR. */
  readonly placeholder?: string;
  /** Given once for each item of a list, instead of once with commas between: items may hold commas. */
  readonly repeats?: true;
  /** Read from the environment alone: flags show in the list of processes, a file of settings in backups. */
  readonly secret?: true;
}

/** What a schema cannot say by itself of the setting that it is of. */
export const settingFacts = z.registry<SettingFacts>();

export const wholeNumber = (
  min: number,
  max = Number.MAX_SAFE_INTEGER,
  what = max === Number.MAX_SAFE_INTEGER
    ? `a whole number from ${min}`
    : `a whole number from ${min} to ${max}`,
) => {
  const error = () => what;
  return z.number({ error }).int({ error }).min(min, { error }).max(max, { error });
};

/** @example numberThat("a number above 0.5 and below 1", (share) => share > 0.5 && share < 1) */
export const numberThat = (what: string, holds: (value: number) => boolean) =>
  z.number({ error: () => what }).refine(holds, { error: () => what });

export const number = (min: number, max: number) =>
  numberThat(`a number from ${min} to ${max}`, (value) => value >= min && value <= max);

/** Of at least one character. */
export const text = (what = "a text", placeholder = "TEXT") =>
  z
    .string({ error: () => what })
    .min(1, { error: () => what })
    .register(settingFacts, { placeholder });

export const oneOf = <const T extends readonly string[]>(values: T, what = `one of ${values.join(", ")}`) =>
  z.enum(values, { error: () => what });

export const onOff = () => z.boolean({ error: () => "true or false" });

/** A flag that takes no value: it is there or it is not. */
export const bareFlag = () => z.literal(true).exactOptional();

export const listOf = (what: string, holds: (item: string) => boolean = () => true) =>
  z.array(text(what).refine(holds, { error: () => what }), { error: () => `${what}, or several in a list` });

/** What is named twice is taken once. */
export const someOf = <const T extends readonly string[]>(values: T, least = 0) =>
  z
    .array(oneOf(values, `some of ${values.join(", ")}`), {
      error: () => `some of ${values.join(", ")}, with commas between`,
    })
    .min(least, { error: () => `at least one of ${values.join(", ")}` })
    .transform((named) => [...new Set(named)]);

/** A flag that may be given several times. */
export const repeated = (what: string, placeholder: string) =>
  z.array(text(what)).register(settingFacts, { placeholder, repeats: true });
