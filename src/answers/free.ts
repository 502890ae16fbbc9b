// Reads the answer of a question whose answer may be any words, and makes its key.

import { canonicalLatex } from "./latex/equivalence.ts";
import { type AnswerMarker, NO_ABBREVIATION } from "./markers.ts";
import { parseNumberWords } from "./numbers/number-words.ts";
import { toLatex } from "./numbers/rational.ts";

const MAX_ANSWER_LENGTH = 400;

export function readFreeMarker(marker: AnswerMarker): string | null {
  if (/^(?:not|never)\b/i.test(marker.content)) {
    const but = /\bbut\s/i.exec(marker.content);
    return but === null ? null : tidy(marker.content.slice(but.index + but[0].length));
  }
  return tidy(marker.content);
}

const SENTENCE_END = new RegExp(String.raw`(?<=${NO_ABBREVIATION}[.!?])\s+(?=[\p{Lu}\d"'(])`, "u");

/** Without any marker: the last sentence of the last line with a letter or digit. */
export function readFreeFallback(text: string): string | null {
  const lines = text.slice(-4 * MAX_ANSWER_LENGTH).split("\n");
  const line = lines.map(tidy).findLast((one) => one !== null);
  if (line === undefined || line === null) return null;
  const sentences = line.split(SENTENCE_END);
  return tidy(sentences.at(-1) ?? "");
}

function tidy(raw: string): string | null {
  const answer = raw
    .replace(/\*\*|`/g, "")
    .trim()
    .replace(/^["'“”‘’\s:,-]+|["'“”‘’\s.,;:!]+$/g, "")
    .slice(0, MAX_ANSWER_LENGTH);
  return /[\p{L}\p{N}]/u.test(answer) ? answer : null;
}

/** A number's value, else the words in lower case without punctuation and leading article. Null when none are left. */
export function canonicalFree(raw: string): string | null {
  const words = raw
    .toLowerCase()
    .normalize("NFKC")
    .replace(/[^\p{L}\p{N}.,/%$-]+/gu, " ")
    .trim();
  if (/^[-−$£€]?[\d.,/]+%?\.?$/.test(words)) return canonicalLatex(words) || null;
  const named = parseNumberWords(words);
  if (named !== null) return toLatex(named);
  const key = words
    .replace(/[^\p{L}\p{N}]+/gu, " ")
    .trim()
    .replace(/^(?:the|an?)\s(?=.)/, "");
  return key === "" ? null : key;
}
