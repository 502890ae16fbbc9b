// Reads a yes or a no out of a text. It does not guess from a sentence that says neither.

import type { AnswerMarker } from "./markers.ts";

export type YesNo = "yes" | "no";

const YES = /^(?:yes|yeah|yep|true|correct|affirmative)$/i;
const NO = /^(?:no|nope|false|incorrect|negative)$/i;

/** "Yes", "no.", "True" → its key; null for anything else. */
export function readYesNoWord(word: string): YesNo | null {
  let [start, end] = [0, word.length];
  while (start < end && !isLetter(word, start)) start++;
  while (end > start && !isLetter(word, end - 1)) end--;
  const bare = word.slice(start, end);
  if (YES.test(bare)) return "yes";
  return NO.test(bare) ? "no" : null;
}

function isLetter(text: string, at: number): boolean {
  const code = text.charCodeAt(at) | 0x20;
  return code >= 0x61 && code <= 0x7a;
}

/** The yes or no that a marker's content begins with, else the only one in it. */
export function readYesNoMarker(marker: AnswerMarker): YesNo | null {
  const content = marker.content
    .replace(/\\(?:text|mathrm|textbf|mbox)\s?\{([^{}]*)\}/g, "$1")
    .replace(/[*$`_"'“”‘’\\()[\]{}]/g, " ")
    .trim();
  if (EITHER.test(content.slice(0, 30))) return null;
  const first = readYesNoWord(
    /^(?:(?:an?|the|most likely|likely|probably|definitely|clearly|therefore|still)\s)*([a-z]+)/i.exec(
      content,
    )?.[1] ?? "",
  );
  if (first !== null) return first;
  const negated = /^not\s(?:an?\s)?(?:simple\s)?(yes|no|true|false)\b/i.exec(content);
  if (negated !== null) return opposite(readYesNoWord(negated[1] ?? ""));
  const found = new Set(findYesNo(content).map(({ answer }) => answer));
  return found.size === 1 ? ([...found][0] ?? null) : null;
}

/** The yes or no that is all of the last line. It counts more than anything before it. */
export function readYesNoLastLine(text: string): YesNo | null {
  return readYesNoWord(
    /(?:^|\n)[^a-z\n]{0,8}(yes|no|true|false)[^a-z\n]{0,8}\s*$/i.exec(text.slice(-200))?.[1] ?? "",
  );
}

/** "yes or no", "yes/no": the two options, not an answer. */
const EITHER = /\byes\b[\s,]{0,3}(?:or|\/|and)[\s,]{0,3}\bno\b/i;

// "no" is an answer before punctuation or at the end, and elsewhere a determiner ("no evidence").
const WORD = /\b(?:yes(?:\s?(?:or|\/|and)\s?no)?|no(?=[.,;:!)"'”’*\n]|\s?$|\s[–—-]\s))\b/gi;

function findYesNo(text: string): { answer: YesNo; at: number }[] {
  const found: { answer: YesNo; at: number }[] = [];
  for (const match of text.matchAll(WORD)) {
    const answer = readYesNoWord(match[0]);
    if (answer !== null) found.push({ answer, at: match.index });
  }
  return found;
}

/** A verdict on the question's statement: "the claim is not true". */
const JUDGED =
  /\b(?:statement|claim|assertion|premise)\s(?:that\s[^.!?\n]{1,160}?\s)?(?:is|would be)\s(?:(not)\s)?(?:[a-z]+\s){0,2}?(true|false|correct|incorrect)\b/gi;

/** Without any marker: the last yes or no, else the last verdict on the statement, else a True or False at the start. */
export function readYesNoFallback(text: string): YesNo | null {
  const last = findYesNo(text).at(-1);
  if (last !== undefined) return last.answer;
  const verdict = [...text.matchAll(JUDGED)].at(-1);
  if (verdict === undefined) return readYesNoWord(/^[^a-z]{0,8}(true|false)\b/i.exec(text)?.[1] ?? "");
  // "The statement is true. However, …" may end in the opposite answer.
  if (/\bhowever\b/i.test(text.slice(verdict.index))) return null;
  const judged = readYesNoWord(verdict[2] ?? "");
  return verdict[1] === undefined ? judged : opposite(judged);
}

function opposite(answer: YesNo | null): YesNo | null {
  return answer === null ? null : answer === "yes" ? "no" : "yes";
}
