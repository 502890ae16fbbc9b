// The choices and answers of imported records, with the labels that they have or are given.

import { z } from "zod";
import { type Choice, MOST_CHOICES } from "../answers/task.ts";
import { MagdiError } from "../base/errors.ts";
import { shown } from "../base/files/json-file.ts";
import { listUpTo } from "./mag-schema.ts";

/** Some sources write answers as numbers or booleans. */
export const answerScalar = z
  .union([z.string(), z.number(), z.boolean()], {
    error: ({ input }) => `expected a text, a number, true or false, found ${shown(input)}`,
  })
  .transform((value) => (typeof value === "boolean" ? (value ? "yes" : "no") : String(value)));

/** Texts, or labels with texts. */
export const choiceList = listUpTo(
  MOST_CHOICES,
  z.union([z.string(), z.object({ label: answerScalar, text: z.string() })], {
    error: ({ input }) => `expected a text or {label, text}, found ${shown(input)}`,
  }),
).nullish();

/** "B) blue", "(2) blue" and the like. */
const LABELLED = /^\s*\(?([A-Z]|\d{1,2})[).:]\s*(?=\S)/;

/**
 * Choices with their own labels, else A, B, … or, when the gold answer is a position from 1 and not a choice's text, 1, 2, …
 * @throws MAGDI_BAD_FILE for a position from 0
 */
export function labelledChoices(
  list: z.output<typeof choiceList>,
  gold: string,
  where: string,
): Choice[] | null {
  if (list === null || list === undefined || list.length === 0) return null;
  const matches = list.map((choice) => (typeof choice === "string" ? LABELLED.exec(choice) : null));
  const labels = matches.map((match) => match?.[1]);
  const own = new Set(labels).size === list.length && !labels.includes(undefined);
  if (gold.trim() === "0" && !own && list.every((choice) => typeof choice === "string" && choice !== "0")) {
    // A file whose places count from 0 would have every other answer one too far.
    throw new MagdiError(
      "MAGDI_BAD_FILE",
      `${where}: expected a choice's label, its text, or its place from 1, found 0; write the labels (A, B, …)`,
    );
  }
  const isPlace = /^\s*\d+\s*$/.test(gold) && Number(gold) >= 1 && Number(gold) <= list.length;
  const numbered = list.length > 26 || (isPlace && !list.includes(gold.trim()));
  return list.map((choice, index): Choice => {
    if (typeof choice !== "string") return choice;
    const [opening = "", label = ""] = own ? (matches[index] ?? []) : [];
    if (label !== "") return { label, text: choice.slice(opening.length) };
    return { label: numbered ? String(index + 1) : String.fromCharCode(65 + index), text: choice };
  });
}
