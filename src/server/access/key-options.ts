// What an API key's entry says beside its name and key: its weight and its rights, as words of a line or fields of JSON.

import { z } from "zod";
import { type Caller, PLAIN_KEY, RIGHTS, type Right } from "./caller.ts";

export type KeyOptions = Pick<Caller, "rights" | "weight">;

/** Its message says what was expected, without the text that was found, which may be the key itself. */
export class KeyProblem extends Error {}

const [MIN_WEIGHT, MAX_WEIGHT] = [0.01, 100];
const EXPECTED = `weight=NUMBER from ${MIN_WEIGHT} to ${MAX_WEIGHT}, or rights=${RIGHTS.join("+")} or one of them`;

/** @example optionsOfWords(["weight=4", "rights=ask+metrics"], "line 3") */
export function optionsOfWords(words: readonly string[], where: string): KeyOptions {
  const fields: Record<string, unknown> = {};
  for (const word of words) {
    const [name = "", value = "", ...rest] = word.split("=");
    if (!["weight", "rights"].includes(name) || value === "" || rest.length > 0 || name in fields) {
      throw new KeyProblem(`${where}: after the key, expected ${EXPECTED}, found something else`);
    }
    fields[name] = name === "weight" ? Number(value) : value.split("+");
  }
  return optionsOfFields(fields, where);
}

const options = z.strictObject({
  weight: z.number().min(MIN_WEIGHT).max(MAX_WEIGHT).default(PLAIN_KEY.weight),
  rights: z
    .array(z.enum(RIGHTS))
    .min(1)
    .transform((rights): readonly Right[] => [...new Set(rights)])
    .default(PLAIN_KEY.rights),
});

/** @example optionsOfFields({ weight: 4, rights: ["ask", "metrics"] }, "entry 3") */
export function optionsOfFields(fields: object, where: string): KeyOptions {
  const read = options.safeParse(fields);
  if (read.success) return read.data;
  const issue = read.error.issues[0];
  const field = issue?.path[0];
  if (field === "weight") {
    throw new KeyProblem(`${where}: weight: expected a number from ${MIN_WEIGHT} to ${MAX_WEIGHT}`);
  }
  if (field === "rights") throw new KeyProblem(`${where}: rights: expected some of ${RIGHTS.join(", ")}`);
  throw new KeyProblem(`${where}: expected the fields key, weight and rights alone, found another`);
}
