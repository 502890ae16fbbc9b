// Reads which choice a text decides for: by its label, its text, or both. It does not know the question.

import type { AnswerMarker } from "./markers.ts";
import type { Choice } from "./task.ts";

/** "several" stands for a statement of several choices or "none of the above": no answer, and none before it counts. */
export type ChoiceReading = Choice | "several" | null;

/** Words after an "A" that show it is a label and not the article. */
const AFTER_LABEL =
  /^(?:is|was|because|since|as|for|which|and|or|but|with|would|seems|would|due|are|has|based)\b/i;

/** The choice that an answer names by label, `B` or `(b)`, or by text; null when it names none or several. */
export function findChoice(raw: string, choices: readonly Choice[]): Choice | null {
  const bare = raw.trim().replace(/^[\s(["'“‘*$]+|[\s)\]."'”’*:$]+$/g, "");
  const byLabel = choices.find((choice) => choice.label.toLowerCase() === bare.toLowerCase());
  if (byLabel !== undefined) return byLabel;
  const byText = choices.find((choice) => plain(choice.text) === plain(raw));
  if (byText !== undefined) return byText;
  const reading = readChoiceStatement(raw, choices);
  return reading === "several" ? null : reading;
}

export function readChoiceMarker(marker: AnswerMarker, choices: readonly Choice[]): ChoiceReading {
  if (marker.kind === "hashes") return readStart(clean(marker.content), choices);
  const content = clean(marker.content);
  const negated = /^(?:not|neither|never)\b/i.exec(content);
  if (negated === null) return readChoiceStatement(marker.content, choices);
  const but = content.search(/\bbut\s/i);
  return but < 0 ? null : readChoiceStatement(content.slice(but + 4), choices);
}

/** The choice that a sentence begins with, else the only one that it mentions. */
export function readChoiceStatement(raw: string, choices: readonly Choice[]): ChoiceReading {
  const sentence = clean(raw);
  if (/^\(?(?:none|all|any) of\b/i.test(sentence) && textAt(sentence, choices) === null) return "several";
  const start = readStart(sentence, choices);
  if (start !== null) return start;
  const mentioned = new Set(findMentions(sentence, choices).map(({ choice }) => choice));
  if (mentioned.size > 1) return "several";
  return [...mentioned][0] ?? null;
}

/** Drops layout: bold, the braces of \text{…}, dollars, spacing commands, quotes. Case is kept. */
function clean(raw: string): string {
  return raw
    .replace(/\\(?:text|mathrm|textbf|mbox|mathbf)\s?\{([^{}]*)\}/g, "$1")
    .replace(/\\[ ,;!()[\]]/g, " ")
    .replace(/[*$`_"“”]/g, "")
    .replace(/\s+/g, " ")
    .trim();
}

const LEAD =
  /^(?:[\s:.'‘(-]|(?:the|an?|option|choice|letter|answer|most|likely|probably|clearly|definitely|therefore|either|both|indeed|simply|best|correct|to|in|at|on)\s(?=.))/i;

/** The choice whose label or text a statement begins with, after introducing words such as "most likely option". */
function readStart(statement: string, choices: readonly Choice[]): ChoiceReading {
  let rest = statement;
  for (let words = 0; words < 8; words++) {
    const label = labelAt(rest, choices);
    if (label !== null)
      return alsoNames(rest.slice(label.length), choices, label.choice) ? "several" : label.choice;
    const text = textAt(rest, choices);
    if (text !== null) return alsoNames(rest.slice(text.text.length), choices, text) ? "several" : text;
    const lead = LEAD.exec(rest);
    if (lead === null) return null;
    rest = rest.slice(lead[0].length);
  }
  return null;
}

/** The label that a statement begins with: followed by punctuation, or bare and not the article "A" or the word "I". */
function labelAt(statement: string, choices: readonly Choice[]): { choice: Choice; length: number } | null {
  for (const choice of choices) {
    const { label } = choice;
    if (statement.slice(0, label.length).toLowerCase() !== label.toLowerCase()) continue;
    const quoted = /^['’](?!\p{L})/u.test(statement.slice(label.length));
    const length = label.length + (quoted ? 1 : 0);
    const rest = statement.slice(length);
    if (/^[\p{L}\p{N}'’-]/u.test(rest) || /^\.\d/.test(rest)) continue;
    const closed = rest === "" || /^\s?[).:,;\]}=/]/.test(rest);
    if (closed) return { choice, length };
    if (statement[0] !== label[0]) continue;
    const after = rest.trimStart();
    const repeated = startsWithText(after, choice.text);
    const isArticle = (label === "A" || label === "I") && !AFTER_LABEL.test(after);
    if (repeated || !isArticle) return { choice, length };
  }
  return null;
}

/** The longest choice text that a statement begins with. */
function textAt(statement: string, choices: readonly Choice[]): Choice | null {
  let best: Choice | null = null;
  for (const choice of choices) {
    if (startsWithText(statement, choice.text) && choice.text.length > (best?.text.length ?? 0))
      best = choice;
  }
  return best;
}

function startsWithText(statement: string, text: string): boolean {
  if (text === "" || statement.slice(0, text.length).toLowerCase() !== text.toLowerCase()) return false;
  return !/^[\p{L}\p{N}]/u.test(statement.slice(text.length, text.length + 1));
}

/** Whether another choice is joined to the first: "B and C", "(A) ocean or (D) river". */
function alsoNames(rest: string, choices: readonly Choice[], first: Choice): boolean {
  const behind = rest.replace(/^[\s).:]{0,4}/, "");
  const own = startsWithText(behind, first.text) ? behind.slice(first.text.length) : rest;
  // "(B) wall (E) table" joins two choices without a word.
  const joined = /^\s?\)?,?\s?(?:(?:and|or|&|\/|,)\s?(?:(?:and|or)\s)?[('‘]?|\((?=[^()]{1,3}\)))/i.exec(own);
  if (joined === null) return false;
  const second = own.slice(joined[0].length);
  return choices.some((choice) => {
    if (choice === first) return false;
    if (startsWithText(second, choice.text)) return true;
    return (
      second.startsWith(choice.label) &&
      /^['’]?(?:$|[).,;:]|\s(?:are|and|or)\b)/.test(second.slice(choice.label.length))
    );
  });
}

interface Mention {
  readonly choice: Choice;
  readonly at: number;
  readonly length: number;
  readonly byLabel: boolean;
}

/** Where a text mentions choices: "(B)", "option B", "B." at the start of a line, or a choice's text. */
function findMentions(text: string, choices: readonly Choice[]): Mention[] {
  const mentions: Mention[] = [];
  const labels = choices.map((choice) => escapeRegExp(choice.label)).join("|");
  const labelled = new RegExp(
    `\\((${labels})\\)|\\b(?:option|choice|answer)\\s\\(?(${labels})\\b|(?:^|\\n)\\s{0,4}(${labels})(?:[.):]|\\s?(?:$|\\n))`,
    "gi",
  );
  for (const match of text.matchAll(labelled)) {
    const label = (match[1] ?? match[2] ?? match[3] ?? "").toLowerCase();
    const choice = choices.find((one) => one.label.toLowerCase() === label);
    if (choice !== undefined)
      mentions.push({ choice, at: match.index, length: match[0].length, byLabel: true });
  }
  return [...mentions, ...findTexts(text, choices)].sort((a, b) => a.at - b.at);
}

/** Where the choices' texts stand as whole words; of two that overlap, the longer one. */
function findTexts(text: string, choices: readonly Choice[]): Mention[] {
  const written = choices.filter((choice) => /[\p{L}\p{N}]/u.test(choice.text));
  if (written.length === 0) return [];
  const alternatives = written
    .toSorted((a, b) => b.text.length - a.text.length)
    .map((choice) => `${escapeRegExp(choice.text.trim()).replace(/\s+/g, "\\s+")}`);
  const pattern = new RegExp(
    `(?<![\\p{L}\\p{N}])(?:${alternatives.join("|")})(?:e?s)?(?![\\p{L}\\p{N}])`,
    "giu",
  );
  const mentions: Mention[] = [];
  for (const match of text.matchAll(pattern)) {
    const found = plain(match[0]);
    const choice =
      written.find((one) => plain(one.text) === found) ??
      written.find((one) => [`${plain(one.text)}s`, `${plain(one.text)}es`].includes(found));
    if (choice !== undefined)
      mentions.push({ choice, at: match.index, length: match[0].length, byLabel: false });
  }
  return mentions;
}

/** Words that rule out the choice mentioned, before and behind it. */
const RULED_OUT_BEFORE =
  /\b(?:eliminat\w*|rule[sd]? out|ruling out|not|isn't|neither|unlike|than|except|instead of)\s(?:\w+\s){0,2}\(?$/i;
const RULED_OUT_BEHIND =
  /^[^.;\n]{0,40}?\b(?:(?:is|are|was|would|does|do|can|could|may|might) (?:also )?not|isn't|aren't|doesn't|don't|wouldn't|can't|cannot|can be (?:eliminated|ruled out)|(?:is|are|seems?) (?:unlikely|incorrect|wrong|less likely))\b/i;
const AFFIRMED_BEHIND =
  /^[^.;\n]{0,60}?\s(?:is|would be|seems)\s(?:likely\s)?(?:the|a|an)?\s?(?:\w+\s){0,3}(?:answer|choice|option)\b/i;

/**
 * Without any marker: the last choice that is said to be the answer, else the last one mentioned by its label, else the
 * last one mentioned by its text. Choices that the text rules out do not count.
 */
export function readChoiceFallback(text: string, choices: readonly Choice[]): Choice | null {
  const whole = clean(text);
  const only = choices.find((choice) => choice.label === whole.replace(/^[(]|[).]+$/g, ""));
  if (only !== undefined) return only;
  const isOneSentence = whole.length < 80 && !/[.!?]\s/.test(whole.slice(4));
  const start = isOneSentence ? readStart(whole, choices) : null;
  if (start !== null && start !== "several") return start;
  const unbold = text.replace(/\*\*/g, "");
  const mentions = findMentions(unbold, choices).filter((mention) => !isRuledOut(unbold, mention));
  const affirmed = mentions.findLast(({ at }) => AFFIRMED_BEHIND.test(unbold.slice(at, at + 160)));
  const chosen = affirmed ?? mentions.findLast(({ byLabel }) => byLabel) ?? mentions.at(-1);
  return chosen?.choice ?? null;
}

function isRuledOut(text: string, { at, length }: Mention): boolean {
  return (
    RULED_OUT_BEFORE.test(text.slice(Math.max(0, at - 40), at)) ||
    RULED_OUT_BEHIND.test(text.slice(at + length, at + length + 100))
  );
}

function plain(text: string): string {
  return text
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, " ")
    .trim();
}

function escapeRegExp(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
