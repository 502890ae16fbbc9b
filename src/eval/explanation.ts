// The explanation that people wrote of a question's right answer, in whichever field its benchmark has it.

import type { JsonObject } from "../base/files/json-file.ts";

/** The first of these that holds a text, or a list of texts, is the explanation. */
export const EXPLANATION_FIELDS = [
  "explanation", // e-SNLI, ECQA as one layout
  "gold_explanation", // ReConcile
  "solution", // MATH, ScienceQA
  "rationale", // AQuA
  "abstractive_explanation", // CoS-E
  "facts", // StrategyQA
  "fact1", // OpenBookQA
] as const;

/** What GSM8K's solutions have between their words for a calculator. */
const CALCULATOR = /<<[^<>]*>>/g;

/** Undefined for a record without one. */
export function explanationIn(fields: JsonObject): string | undefined {
  for (const name of EXPLANATION_FIELDS) {
    const found = textOf(fields[name]);
    if (found !== undefined) return found;
  }
  // GSM8K has it before the answer.
  const { answer } = fields;
  return typeof answer === "string" && answer.includes("####")
    ? textOf(answer.slice(0, answer.lastIndexOf("####")))
    : undefined;
}

function textOf(value: unknown): string | undefined {
  const parts: unknown[] = Array.isArray(value) ? value : [value];
  if (!parts.every((part) => typeof part === "string")) return undefined;
  const text = parts
    .map((part) => part.trim())
    .join(" ")
    .replace(CALCULATOR, "")
    .trim();
  return text === "" ? undefined : text;
}
