// Reads which choice a text decides for: by its label, its text, or both. It does not know the question.

import {
  type ChoiceText,
  choiceByValue,
  choiceSpelled,
  choiceTexts,
  escapeRegExp,
  expressionAt,
  findChoiceTexts,
  MAX_TEXT_LENGTH,
  startsWithText,
  type TextMatch,
  textAt,
  withoutCommands,
  withoutLayout,
} from "./choice-text.ts";
import type { AnswerMarker } from "./markers.ts";
import { plainNumbers } from "./numbers/unicode.ts";
import type { Choice } from "./task.ts";
import { dropEnd, dropStart, spacesAnd } from "./trim.ts";

/** "several" stands for a statement of several choices or "none of the above": no answer, and none before it counts. */
export type ChoiceReading = Choice | "several" | null;

/** Words after an "A" that show it is a label and not the article. */
const AFTER_A =
  /^(?:is|isn't|was|because|since|as|for|which|and|or|but|with|would|seems|due|are|has|based|fits|matches)\b/i;
/** Words after an "I" that show it is a label and not the speaker. */
const AFTER_I = /^(?:is|isn't|because|since|which|and|or|seems|fits|matches|has)\b/i;

/** The choice that an answer names by label, `B` or `(b)`, or by text; null when it names none or several. */
export function findChoice(raw: string, choices: readonly Choice[]): Choice | null {
  const texts = choiceTexts(choices);
  const given = plainNumbers(raw.slice(0, MAX_TEXT_LENGTH));
  const byLabel = bareLabel(given, choices);
  if (byLabel !== null) return byLabel;
  const byText = choiceSpelled(given, texts) ?? choiceByValue(withoutLayout(given), "", texts);
  if (byText !== null) return byText;
  const reading = readChoiceStatement(given, choices);
  return reading === "several" ? null : reading;
}

/** The choice whose label is all of a text: B, (b), [[C]], "D.". */
function bareLabel(raw: string, choices: readonly Choice[]): Choice | null {
  const bare = dropEnd(dropStart(raw, OPENING), CLOSING).toLowerCase();
  return choices.find((choice) => choice.label.toLowerCase() === bare) ?? null;
}

const OPENING = spacesAnd("([{\"'“‘*$");
const CLOSING = spacesAnd(")]}.\"'”’*:$");

export function readChoiceMarker(marker: AnswerMarker, choices: readonly Choice[]): ChoiceReading {
  if (marker.kind === "hashes") return readStart(withoutLayout(marker.content), choices);
  const content = withoutLayout(marker.content);
  const negated = /^(?:not|neither|never)\b/i.exec(content);
  if (negated === null) return readChoiceStatement(marker.content, choices);
  const but = content.search(/\bbut\s/i);
  return but < 0 ? null : readChoiceStatement(content.slice(but + 4), choices);
}

/** The choice that a sentence is or begins with, else the only one that it mentions and does not rule out. */
export function readChoiceStatement(raw: string, choices: readonly Choice[]): ChoiceReading {
  const texts = choiceTexts(choices);
  const sentence = withoutLayout(raw);
  const whole = bareLabel(sentence, choices) ?? choiceSpelled(sentence, texts);
  if (whole !== null) return whole;
  if (/^\(?(?:none|all|any) of\b/i.test(sentence) && textAt(sentence, texts) === null) return "several";
  const start = readStart(sentence, choices);
  if (start !== null && start !== "several") return start;
  if (start === "several") {
    // "7.5, so (C)": a label behind a value that is no choice's.
    const named = findMentions(sentence, choices).filter(({ byLabel }) => byLabel);
    const isValue = expressionAt(withoutLead(sentence), texts) === "none";
    return isValue && named.length === 1 ? (named[0]?.choice ?? start) : start;
  }
  const kept = findMentions(sentence, choices).filter((mention) => !isRuledOut(sentence, mention));
  const mentioned = new Set(kept.map(({ choice }) => choice));
  if (mentioned.size > 1) return "several";
  return [...mentioned][0] ?? null;
}

const LEAD =
  /^(?:[\s:.'‘([{]|[-–]\s|[-–](?=\p{L})|(?:the|an?|option|choice|letter|answer|most|likely|probably|clearly|definitely|therefore|either|both|indeed|simply|best|correct|about|approximately|exactly|to|in|at|on)\s(?=.))/iu;
const MAX_LEADS = 8;

function withoutLead(statement: string): string {
  let rest = statement;
  for (let words = 0; words < MAX_LEADS; words++) rest = rest.replace(LEAD, "");
  return rest;
}

/**
 * The choice whose label or text a statement begins with, after introducing words such as "most likely option". It is
 * "several" for two joined choices, and for a number or a formula that is no choice's.
 */
function readStart(statement: string, choices: readonly Choice[]): ChoiceReading {
  const texts = choiceTexts(choices);
  let rest = statement;
  for (let words = 0; words < MAX_LEADS; words++) {
    const label = labelAt(rest, texts);
    const text = textAt(rest, texts);
    // A choice's own text wins over a label that it begins with: "D flat".
    const isText = text !== null && text.text.length > (label?.length ?? 0);
    if (label !== null && (!isText || repeatsText(rest.slice(label.length), label.choice, texts)))
      return read(label.choice, rest.slice(label.length), texts);
    const value = /^[([{]\s?\d/.test(rest) ? null : expressionAt(rest, texts);
    if (text !== null && (value === null || value === "none" || text.text.length >= value.length))
      return read(text.choice, rest.slice(text.text.length), texts);
    if (value !== null && value !== "none") return read(value.choice, rest.slice(value.length), texts);
    const lead = LEAD.exec(rest);
    if (lead === null) return value === "none" && texts.every(({ isFormal }) => isFormal) ? "several" : null;
    rest = rest.slice(lead[0].length);
  }
  return null;
}

function read(choice: Choice, rest: string, texts: readonly ChoiceText[]): ChoiceReading {
  return alsoNames(rest, texts, choice) ? "several" : choice;
}

/** Whether a label's own text follows it. */
function repeatsText(behind: string, choice: Choice, texts: readonly ChoiceText[]): boolean {
  const rest = behind.replace(/^[\s).:\]}]{0,4}/, "");
  return texts.some((one) => one.choice === choice && startsWithText(rest, one));
}

/** The label that a statement begins with: followed by punctuation, or bare and not the article "A" or the word "I". */
function labelAt(statement: string, texts: readonly ChoiceText[]): { choice: Choice; length: number } | null {
  for (const { choice } of texts) {
    const { label } = choice;
    if (statement.slice(0, label.length).toLowerCase() !== label.toLowerCase()) continue;
    const quoted = /^['’](?!\p{L})/u.test(statement.slice(label.length));
    const length = label.length + (quoted ? 1 : 0);
    const rest = statement.slice(length);
    // Digits, signs and apostrophes go on with a number, a symbol (C++) or a word (I'd).
    if (/^[\p{L}\p{N}'’+#^*√°%²³<>−-]/u.test(rest) || /^[.,]\d/.test(rest)) continue;
    if (/^\d/.test(label) && /^\s?[-−+*/×·÷=^x%]\s?[\d(]|^\s?[<>]/.test(rest)) continue;
    if (
      REJECTED.test(rest) ||
      (label === "I" && /^,\s(?:too|for one|however|myself|personally)\b/i.test(rest))
    )
      continue;
    const closed = rest === "" || /^\s?[).:,;\]}=/]/.test(rest);
    if (closed) return { choice, length };
    if (statement[0] !== label[0]) continue;
    if (repeatsText(rest, choice, texts) || !isWord(label, rest)) return { choice, length };
  }
  return null;
}

/** Whether "A" is the article and "I" the speaker, by what follows. */
function isWord(label: string, rest: string): boolean {
  const after = rest.trimStart();
  return (label === "A" && !AFTER_A.test(after)) || (label === "I" && !AFTER_I.test(after));
}

/** "was ruled out": a label behind which this stands is not the answer. */
const REJECTED =
  /^['’"”)\].:]{0,3}\s(?:(?:is|was|are|were|has been|have been|can be|could be|being|must be)\s)(?:(?:already|also|clearly|thus|then)\s)?(?:(?:ruled|crossed) out|eliminated|excluded|dismissed|rejected|discarded|wrong|incorrect|false|out|not (?:correct|right|it|the answer|possible))\b/i;

/** Whether another choice is joined to the first: "B and C", "(A) ocean or (D) river". */
function alsoNames(rest: string, texts: readonly ChoiceText[], first: Choice): boolean {
  const behind = rest.replace(/^[\s).:\]}]{0,4}/, "");
  const own = texts.find(({ choice }) => choice === first);
  const from = own !== undefined && startsWithText(behind, own) ? behind.slice(own.text.length) : rest;
  // "(B) wall (E) table" joins two choices without a word.
  const joined =
    /^\s?[)\]}]{0,2},?\s?(?:(?:and|or|&|\/|,)\s?(?:(?:and|or)\s)?[([{'‘]{0,2}|[([{](?=[^()[\]{}]{1,3}[)\]}]))/i.exec(
      from,
    );
  if (joined === null) return false;
  const second = from.slice(joined[0].length);
  return texts.some((one) => {
    if (one.choice === first) return false;
    if (startsWithText(second, one)) return true;
    const { label } = one.choice;
    return (
      second.startsWith(label) && /^['’]?(?:$|[)\]}.,;:]|\s(?:are|and|or)\b)/.test(second.slice(label.length))
    );
  });
}

interface Mention extends TextMatch {
  readonly byLabel: boolean;
}

/** Where a text mentions choices: "(B)", "[B]", "option B", "B." at the start of a line, or a choice's text. */
function findMentions(text: string, choices: readonly Choice[]): Mention[] {
  const texts = choiceTexts(choices);
  const written = findChoiceTexts(text, texts)
    .map((match) => ({ ...match, byLabel: false }))
    .sort((a, b) => a.at - b.at);
  const mentions: Mention[] = [];
  let next = 0;
  for (const match of text.matchAll(labelPattern(choices))) {
    const label = match[1] ?? match[2] ?? match[3] ?? match[4] ?? "";
    const choice = choices.find((one) => one.label.toLowerCase() === label.toLowerCase());
    if (choice === undefined || (choice.label === "I" && label !== "I")) continue;
    if (match[4] !== undefined && label !== choice.label) continue;
    const end = match.index + match[0].length;
    // "the answer I chose", "an answer a child gives"
    const isSmall = match[2] !== undefined && (label === "I" || label === "a") && !match[0].includes("(");
    const after = text.slice(end, end + 20);
    if (isSmall && isWord(label.toUpperCase(), after) && /^\s[\p{L}\d]/u.test(after)) continue;
    const at = end - match[0].trimStart().length;
    // "C. P. Snow", which is a choice's text, names nothing by its first letter.
    while (next < written.length && written[next]!.at < match.index) next++;
    if (hasLonger(written, next, at, end)) continue;
    mentions.push({ choice, at: match.index, length: match[0].length, byLabel: true });
  }
  return [...mentions, ...written].sort((a, b) => a.at - b.at);
}

/** Whether one of the mentions from the index `from` begins at `at` or before, and ends behind `end`. */
function hasLonger(mentions: readonly Mention[], from: number, at: number, end: number): boolean {
  for (let i = from; i < mentions.length; i++) {
    const one = mentions[i]!;
    if (one.at > at) return false;
    if (one.at + one.length > end) return true;
  }
  return false;
}

const labelPatterns = new WeakMap<readonly Choice[], RegExp>();

function labelPattern(choices: readonly Choice[]): RegExp {
  const known = labelPatterns.get(choices);
  if (known !== undefined) return known;
  const labels = choices.map((choice) => escapeRegExp(choice.label)).join("|");
  const pattern = new RegExp(
    `[([{](${labels})[)\\]}]|\\b(?:option|choice|answer)\\s\\(?(${labels})\\b(?![+#'’])|(?:^|\\n)\\s{0,4}(${labels})(?:[.):]|\\s?(?:$|\\n))|\\b(?:take|pick|picked|choose|chose|select|selected|say|guess|with|is|be|prefer)\\s(${labels})(?=\\s?(?:[.,;!?)\\n]|$))`,
    "gi",
  );
  labelPatterns.set(choices, pattern);
  return pattern;
}

/** The last mentions that are looked at. */
const MAX_MENTIONS = 500;

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
  const whole = withoutLayout(text.slice(0, 400));
  const bare = dropEnd(dropStart(whole, BRACKETS), CLOSING_BRACKETS);
  const only = text.length < 400 ? choices.find((choice) => choice.label === bare) : undefined;
  if (only !== undefined) return only;
  const isOneSentence = whole.length < 80 && !/[.!?]\s/.test(whole.slice(4));
  const start = isOneSentence ? readStart(whole, choices) : null;
  if (start !== null && start !== "several") return start;
  const unbold = withoutCommands(text.replace(/\*\*/g, ""));
  const mentions = findMentions(unbold, choices)
    .slice(-MAX_MENTIONS)
    .filter((mention) => !isRuledOut(unbold, mention));
  const affirmed = mentions.findLast(({ at }) => AFFIRMED_BEHIND.test(unbold.slice(at, at + 160)));
  const chosen = affirmed ?? mentions.findLast(({ byLabel }) => byLabel) ?? mentions.at(-1);
  return chosen?.choice ?? null;
}

const BRACKETS: ReadonlySet<string> = new Set("([{");
const CLOSING_BRACKETS: ReadonlySet<string> = new Set(")]}.");

function isRuledOut(text: string, { at, length }: Mention): boolean {
  return (
    RULED_OUT_BEFORE.test(text.slice(Math.max(0, at - 40), at)) ||
    RULED_OUT_BEHIND.test(text.slice(at + length, at + length + 100))
  );
}
