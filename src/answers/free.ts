// Reads the answer of a question whose answer may be any words, and makes its key.

import { canonicalLatex } from "./latex/equivalence.ts";
import type { AnswerMarker } from "./markers.ts";
import { parseNumberWords } from "./numbers/number-words.ts";
import { toLatex } from "./numbers/rational.ts";
import { plainNumbers } from "./numbers/unicode.ts";
import { isInitial, NO_ABBREVIATION } from "./sentences.ts";
import { dropEnd, spacesAnd } from "./trim.ts";

const MAX_ANSWER_LENGTH = 400;
/** Longer answers are compared as they are written. */
const MAX_RAW_LENGTH = 8000;
const ZEROS: ReadonlySet<string> = new Set("0");

export function readFreeMarker(marker: AnswerMarker): string | null {
  if (/^(?:not|never)\b/i.test(marker.content)) {
    const but = /\bbut\s/i.exec(marker.content);
    return but === null ? null : tidy(marker.content.slice(but.index + but[0].length));
  }
  return tidy(marker.content);
}

const SENTENCE_END = new RegExp(String.raw`(?<=${NO_ABBREVIATION}[.!?])\s+(?=[\p{Lu}\d"'(])`, "gu");

/** Without any marker: the last sentence of the last line with a letter or digit. */
export function readFreeFallback(text: string): string | null {
  const lines = text.slice(-4 * MAX_ANSWER_LENGTH).split("\n");
  const line = lines.map(tidy).findLast((one) => one !== null);
  if (line === undefined || line === null) return null;
  let start = 0;
  for (const match of line.matchAll(SENTENCE_END))
    if (!isInitial(line, match.index - 1)) start = match.index + match[0].length;
  return tidy(line.slice(start));
}

const CLOSING = spacesAnd("\"'“”‘’.,;:!");

function tidy(raw: string): string | null {
  const lead = raw
    .replace(/\*\*|`/g, "")
    .trim()
    .replace(/^\[{1,2}([^[\]]{1,200})\]{1,2}\.?$/, "$1")
    // A minus before a number stays; before a word it is a dash.
    .replace(/^(?:["'“”‘’\s:,]|[-–](?=\s|\p{L}{2}))+/u, "");
  const answer = dropEnd(lead, CLOSING).slice(0, MAX_ANSWER_LENGTH);
  return /[\p{L}\p{N}]/u.test(answer) ? answer : null;
}

/**
 * A number's value, else the words in lower case without punctuation and leading article, with the signs and symbols
 * that tell answers apart: -8, B+, C#, 3.5 km, x > 7. Null when none are left.
 */
export function canonicalFree(raw: string): string | null {
  if (raw.length > MAX_RAW_LENGTH) return raw.trim() || null;
  const written = plainNumbers(raw)
    .toLowerCase()
    .replace(/_\{(\w+)\}/g, "$1")
    .replace(/\^\{([-+\w]+)\}/g, "^$1")
    .normalize("NFKC")
    .replace(/[−‒–]/g, "-")
    .replace(/^\s*(?:negative|minus)\s(?=[\d.])/, "-");
  const words = written.replace(/[^\p{L}\p{N}.,/%$-]+/gu, " ").trim();
  if (/^[-−$£€]?[\d.,/]+%?\.?$/.test(words) && !/[*^=<>+]\s*\S/.test(written))
    return canonicalLatex(words) || null;
  const named = parseNumberWords(words);
  if (named !== null) return toLatex(named);
  const key = written
    // Thousands, and the spaces around the signs of a formula.
    .replace(
      /(?<![\d.])(\d{1,3})((?:,\d{3}){1,6})(?![\d,])/g,
      (_, head: string, rest: string) => head + rest.replaceAll(",", ""),
    )
    .replace(/^(-?\d+)\.(\d+)(?=\s?\p{L})/u, (_, whole: string, places: string) => {
      const kept = dropEnd(places, ZEROS);
      return kept === "" ? whole : `${whole}.${kept}`;
    })
    .replace(/\s{0,9}([=<>≤≥≠≈^×·÷])\s{0,9}/g, "$1")
    .replace(/^-?\d{1,20}(?:\.\d{1,20})?(?=\p{L}{2})/u, "$& ")
    .replace(/[\s\S]/gu, keptSign)
    .replace(/\s+/g, " ")
    .trim()
    .replace(/^(?:the|an?)\s(?=.)/, "");
  return key === "" || !/[\p{L}\p{N}]/u.test(key) ? null : key;
}

/** A character, or a space for one that tells no answers apart: punctuation, quotes, hyphens of words. */
function keptSign(character: string, at: number, text: string): string {
  if (/[\p{L}\p{N}\p{M}]/u.test(character)) return character;
  const [before, after] = [text[at - 1] ?? " ", text[at + 1] ?? " "];
  const isDigit = (one: string) => /\d/.test(one);
  if (/[.:/]/.test(character)) return isDigit(before) && isDigit(after) ? character : " ";
  if (/[=<>≤≥≠≈^×·÷√∞±♯♭]/.test(character)) return character;
  if (character === "#") return /[\p{L}]/u.test(before) ? character : " ";
  if (character === "*")
    return /[\p{L}\p{N}]/u.test(before) && before !== "*" && after !== "*" ? character : " ";
  if (character === "+") return character;
  if (character === "-") {
    // The sign of a number, a difference of two, or the end of a symbol: -8, 5-3, B-.
    const isSign = /[\s([=<>≤≥]/.test(before) && /[\d.√∞]/.test(after);
    const isEnd =
      /[\p{L}\d]/u.test(before) &&
      !/[\p{L}\d]/u.test(after) &&
      !/\s[\p{L}\d]/u.test(text.slice(at + 1, at + 3));
    return isSign || (isDigit(before) && isDigit(after)) || isEnd ? "-" : " ";
  }
  return " ";
}
