// Zod schemas for the kinds of settings; each error message is what follows "expected".

import { z } from "zod";

export interface SettingFacts {
  /** The value's placeholder in a help text, as in --out DIR. */
  readonly placeholder?: string;
  /** The flag is given once per item, not once with commas: items may contain commas. */
  readonly repeats?: true;
  /** The words behind the flag are further items, up to the next flag: --data A B. */
  readonly takesWords?: true;
  /** Read from the environment only: flags show in process listings, settings files in backups. */
  readonly secret?: true;
}

/** What a schema cannot say itself. */
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

/** At least one character. */
export const text = (what = "a text", placeholder = "TEXT") =>
  z
    .string({ error: () => what })
    .min(1, { error: () => what })
    .register(settingFacts, { placeholder });

export const oneOf = <const T extends readonly string[]>(values: T, what = `one of ${values.join(", ")}`) =>
  z.enum(values, { error: () => what });

export const onOff = () => z.boolean({ error: () => "true or false" });

/** A flag without a value. */
export const bareFlag = () => z.literal(true).exactOptional();

export const listOf = (what: string, holds: (item: string) => boolean = () => true) =>
  z.array(text(what).refine(holds, { error: () => what }), { error: () => `${what}, or several in a list` });

/** Duplicates are dropped. */
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

/** Files: a flag that may be given several times, with several names each. Commas separate names, except in one that is there. */
export const files = (what: string, placeholder = "FILE...") =>
  listOf(what).register(settingFacts, { placeholder, repeats: true, takesWords: true });
