// Where a choice's own text stands in what a model wrote: numbers and formulas by value, then whole texts, and never a
// part of a number, of a formula or of a symbol such as C++. It knows no labels.

import { canonicalLatex } from "./latex/equivalence.ts";
import { findMathSpans } from "./latex/spans.ts";
import { leadingFormula } from "./math.ts";
import { parseNumberWords, readNumberWords } from "./numbers/number-words.ts";
import { scanNumbers } from "./numbers/scan.ts";
import { plainNumbers } from "./numbers/unicode.ts";
import type { Choice } from "./task.ts";
import { endWithout, spacesAnd } from "./trim.ts";

/** A choice with what its text is compared by. */
export interface ChoiceText {
  readonly choice: Choice;
  /** The text without layout. */
  readonly text: string;
  /** The text as it is compared letter by letter. */
  readonly spelling: string;
  /** The same in lower case. */
  readonly lower: string;
  /** The words of the text as it is given. */
  readonly words: string;
  /** Numbers, formulas and symbols: texts that would be others without their signs. */
  readonly isFormal: boolean;
  /** The canonical form of a formula or a number; null for words. */
  readonly key: string | null;
  /** Whether the key is a number. */
  readonly isAmount: boolean;
  /** The words and symbols behind an amount: "cm". */
  readonly unit: string;
}

export interface TextMatch {
  readonly choice: Choice;
  readonly at: number;
  readonly length: number;
}

/** A choice's text, and what is compared with it, are read up to this length. */
export const MAX_TEXT_LENGTH = 2000;
/** Longer texts are looked for at the start of a statement only. */
const MAX_SOUGHT_LENGTH = 300;
/** Longer texts are compared as words. */
const MAX_FORMULA_LENGTH = 120;
const AMOUNT = /^-?(?:\d+|\\frac\{\d+\}\{\d+\})$/;

const prepared = new WeakMap<readonly Choice[], readonly ChoiceText[]>();

/** What the choices' texts are compared by; made once for an array of choices. */
export function choiceTexts(choices: readonly Choice[]): readonly ChoiceText[] {
  const known = prepared.get(choices);
  if (known !== undefined) return known;
  const texts = choices.map((choice): ChoiceText => {
    const text = withoutLayout(plainNumbers(choice.text.slice(0, MAX_TEXT_LENGTH)));
    const isFormal = text.length <= MAX_FORMULA_LENGTH && hasSymbols(text);
    const isSaid = parseNumberWords(text) !== null;
    const key = isFormal || isSaid ? canonicalLatex(text) || null : null;
    const isAmount = key !== null && AMOUNT.test(key) && !/[a-z]\s*=/i.test(text.replace(/^[a-z]\s*=/i, ""));
    const unit = isAmount && !isSaid ? unitBehind(text.replace(/^[^\d]*/, "")) : "";
    const spelling = spelled(text);
    const lower = spelling.toLowerCase();
    const words = plain(choice.text.slice(0, MAX_TEXT_LENGTH));
    return { choice, text, spelling, lower, words, isFormal, key, isAmount, unit };
  });
  prepared.set(choices, texts);
  return texts;
}

/** Whether a text has digits or symbols that it would be another without; hyphens and dots of words are none. */
function hasSymbols(text: string): boolean {
  return /[\p{N}+<>=√^%~±×÷·≤≥≠≈∞π|\\#°]|(?<!\p{L})[-−–](?=\S)|[-−–*](?=$|[\s,;)])/u.test(
    text.replace(/\s[-–]\s/g, " "),
  );
}

/** The letters behind a number, up to a further one. */
function unitBehind(text: string): string {
  return /^[\d.,/^{}]*\s?(\p{L}[^\d]*)/u.exec(text)?.[1]?.trim() ?? "";
}

/**
 * Drops layout: bold, the braces of \text{…}, dollars, spacing commands, quotes; and writes fractions, roots and
 * operators of LaTeX in plain characters. Case is kept.
 */
export function withoutLayout(raw: string): string {
  return withoutCommands(raw)
    .replace(/\\[ ,;!()[\]]/g, " ")
    .replace(/\\?[$]|[`"“”]|\*\*/g, "")
    .replace(/(?<![\w<)])<(\w)>/g, "($1)")
    .replace(/(?<![\w)])\*(\S[^*\n]{0,200}?)\*(?!\w)/g, "$1")
    .replace(/_/g, "")
    .replace(/\s+/g, " ")
    .trim();
}

const COMMANDS: Record<string, string> = {
  times: "×",
  cdot: "·",
  div: "÷",
  pi: "π",
  leq: "≤",
  le: "≤",
  geq: "≥",
  ge: "≥",
  neq: "≠",
  ne: "≠",
  lt: "<",
  gt: ">",
  pm: "±",
  infty: "∞",
  approx: "≈",
  left: "",
  right: "",
};

/** Writes LaTeX's simple commands in plain characters: \frac{2}{5} as 2/5, \sqrt{5} as √5, x^{2} as x^2. */
export function withoutCommands(raw: string): string {
  if (!/[\\^_]/.test(raw)) return raw;
  return raw
    .replace(/\\(?:text|mathrm|textbf|mbox|mathbf|textit)\s?\{([^{}]*)\}/g, "$1")
    .replace(
      /\\[dt]?frac\s?\{\s?(-?\w{1,20})\s?\}\s?\{\s?(\w{1,20})\s?\}|\\[dt]?frac\s?(\d)\s?(\d)/g,
      (_, a, b, c, d) => (a === undefined ? `${c}/${d}` : `${a}/${b}`),
    )
    .replace(/\\sqrt\s?\{\s?(\w{1,20})\s?\}/g, "√$1")
    .replace(/\^\s?\{?\s?\\circ\s?\}?/g, "°")
    .replace(/\\([a-z]{2,6})(?![a-z])\s?/g, (command, name: string) => COMMANDS[name] ?? command)
    .replace(/\^\{\s?([-+]?\w{1,20}[-+]?|[-+])\s?\}/g, "^$1")
    .replace(/_\{(\w{1,20})\}/g, "$1");
}

/** A text, with single spaces, as it is compared letter by letter: without spaces around signs, quotes and a full stop at its end. */
function spelled(text: string): string {
  const plain = text
    .replace(/[−–]/g, "-")
    // Initials: A. S. Byatt and A.S. Byatt.
    .replace(/(?<=\p{Lu}\.)\s(?=\p{Lu})/gu, "")
    .replace(/\s?([-+*/×·÷=<>≤≥≠≈^(),:])\s?/g, "$1")
    // Charges: Ca^2+ and Ca2+.
    .replace(/\^(?=\d?[-+](?!\w))/g, "");
  const start = /^[\s'‘’]*/.exec(plain)?.[0].length ?? 0;
  return plain.slice(start, endWithout(plain, CLOSING, plain.length, Math.max(start, 1)));
}

const CLOSING = spacesAnd(".;:!?'’");

/** The choice whose whole text `raw` is: with its case, then without it, then in words; null when there is none. */
export function choiceSpelled(raw: string, texts: readonly ChoiceText[]): Choice | null {
  const exact = spelled(withoutLayout(raw));
  const lower = exact.toLowerCase();
  const words = plain(raw);
  const found =
    texts.find(({ spelling }) => spelling === exact) ??
    texts.find((one) => one.lower === lower) ??
    (words === "" || hasSymbols(exact)
      ? undefined
      : texts.find((one) => !one.isFormal && one.words === words));
  return found?.choice ?? null;
}

/** A text's words. */
function plain(text: string): string {
  return text
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, " ")
    .trim();
}

/** The longest choice text that a statement begins with. */
export function textAt(statement: string, texts: readonly ChoiceText[]): ChoiceText | null {
  let best: ChoiceText | null = null;
  for (const one of texts) {
    const { length } = one.text;
    if (length < (best?.text.length ?? 1) || !startsWithText(statement, one)) continue;
    // Of two texts that differ in case only, the one as it is written.
    if (best === null || length > best.text.length || statement.startsWith(one.text)) best = one;
  }
  return best;
}

export function startsWithText(statement: string, { text, isFormal }: ChoiceText): boolean {
  if (text === "" || statement.length < text.length) return false;
  if (statement.slice(0, text.length).toLowerCase() !== text.toLowerCase()) return false;
  return !(isFormal || text.length < 3
    ? isPart(statement, 0, text.length)
    : /^[\p{L}\p{N}]/u.test(statement.slice(text.length, text.length + 1)));
}

/** Whether what stands from `start` to `end` is a part of a longer number, formula or symbol. */
function isPart(text: string, start: number, end: number): boolean {
  const before = text.slice(Math.max(0, start - 4), start);
  const after = text.slice(end, end + 5);
  // 5 - √2: the minus subtracts.
  const subtracts =
    /^[-−–]/.test(text.slice(start, start + 1)) && /(?:[\d)]|(?<!\p{L})\p{L})\s?$/u.test(before);
  return subtracts || PART_BEFORE.test(before) || PART_BEHIND.test(after);
}

const PART_BEFORE =
  /[\p{L}\p{N}√^_]$|\d[.,]$|[-−–+±]$|(?:[\d)]|(?<!\p{L})\p{L})\s?[-−+*/×·÷]\s?$|[*/×·÷<>≤≥]\s?$|\p{L}\($/u;
const PART_BEHIND =
  /^(?:[\p{L}\p{N}_^√({]|[.,:]\d|[-−–+#*]+(?!\p{L})|\s?[+*×·÷/^]\s?[\d\p{L}\\(√]|\s?x\s?\d|\s?[-−]\s?[\d(√]|\s[-−]\s\p{L}(?!\p{L})|\s?[<>≤≥])/u;

/**
 * What a statement that begins with a number or a formula says: the choice with its value, or "none" when that is no
 * choice's. Null when it begins with words.
 */
export function expressionAt(
  statement: string,
  texts: readonly ChoiceText[],
): { choice: Choice; length: number } | "none" | null {
  if (!texts.some(({ key }) => key !== null)) return null;
  const unsigned = /^(?:negative|minus)\s(?=[\d√\\])/i.exec(statement);
  const signed = unsigned === null ? statement : `-${statement.slice(unsigned[0].length)}`;
  const shift = statement.length - signed.length;
  const said = /^[a-z]|^-?\d[\d,.]*[\s-]and[\s-]/i.test(signed) ? readSaid(signed, texts) : null;
  if (said !== null) return said;
  const sentence = signed.slice(0, MAX_FORMULA_LENGTH).split(/[.!?;]\s|\s[-–—]\s(?=\p{L}{2})/u, 1)[0] ?? "";
  const lead = leadingFormula(sentence);
  if (!/[\d√π∞^<>=≤≥\\]/.test(lead)) return null;
  for (const candidate of [lead, lead.split(/,\s|\s?[(]|\sor\s/, 1)[0] ?? ""]) {
    const choice = choiceByValue(candidate, signed.slice(candidate.length), texts);
    if (choice !== null) return { choice, length: Math.min(statement.length, candidate.length + shift) };
  }
  return "none";
}

/** "twelve", "two fifths of it". */
function readSaid(
  statement: string,
  texts: readonly ChoiceText[],
): { choice: Choice; length: number } | null {
  const words = readNumberWords(statement);
  if (words === null || /^one (?:of|that|which)\b/i.test(statement)) return null;
  const choice = choiceByValue(words, "", texts);
  const length = /^(?:[^\s.,;:!?]|[.,](?=\d)|\s(?=[a-z]))*/i.exec(statement)?.[0].length ?? 0;
  return choice === null ? null : { choice, length };
}

const UNITS = new Map(
  Object.entries({
    mm: /^millimet/i,
    cm: /^centimet/i,
    m: /^met(?:er|re)/i,
    km: /^kilomet/i,
    mg: /^milligr/i,
    g: /^gram/i,
    kg: /^kilogr/i,
    ml: /^millilit/i,
    l: /^lit(?:er|re)/i,
    s: /^sec/i,
    min: /^minute/i,
    h: /^(?:hour|hr)/i,
    in: /^inch/i,
    ft: /^f(?:ee|oo)t/i,
    mi: /^mile/i,
    yd: /^yard/i,
    lb: /^pound/i,
  }),
);

/** The unit's symbol, for its name and for itself; null for other words. */
function unitSymbol(unit: string): string | null {
  const word = /^\p{L}+/u.exec(unit)?.[0] ?? "";
  if (UNITS.has(word.toLowerCase())) return unit.toLowerCase().replace(/\s/g, "");
  for (const [symbol, name] of UNITS)
    if (name.test(word)) return symbol + unit.slice(word.length).toLowerCase();
  return null;
}

/** The only choice with an expression's value; of several, that with its unit. A different unit is a different value. */
export function choiceByValue(
  expression: string,
  behind: string,
  texts: readonly ChoiceText[],
): Choice | null {
  if (expression.length > MAX_FORMULA_LENGTH || expression === "") return null;
  const key = canonicalLatex(expression);
  return key === "" ? null : choiceWithKey(key, `${expression}${behind}`, texts);
}

/** `written` is the expression with what stands behind it. */
function choiceWithKey(key: string, written: string, texts: readonly ChoiceText[]): Choice | null {
  const same = texts.filter((one) => one.key === key);
  if (same.length === 0) return null;
  const first = same[0];
  if (first === undefined || !first.isAmount) return same.length === 1 ? (first?.choice ?? null) : null;
  const said = unitBehind(written.replace(/^[^\d]*/, "").replace(/[.,;:!?)](?!\d).*$/s, ""));
  const alike = same.filter(({ unit }) => unit !== "" && sameUnit(unit, said));
  if (alike.length === 1) return alike[0]?.choice ?? null;
  if (same.length > 1) return said === "" ? only(same.filter(({ unit }) => unit === "")) : null;
  const symbols = [unitSymbol(first.unit), unitSymbol(said)];
  const differ = symbols[0] !== null && symbols[1] !== null && symbols[0] !== symbols[1];
  return differ ? null : first.choice;
}

function only(texts: readonly ChoiceText[]): Choice | null {
  return texts.length === 1 ? (texts[0]?.choice ?? null) : null;
}

function sameUnit(unit: string, said: string): boolean {
  if (said === "") return false;
  const symbol = unitSymbol(unit);
  if (symbol !== null && symbol === unitSymbol(said)) return true;
  return said.toLowerCase().startsWith(unit.toLowerCase());
}

/** The formulas of LaTeX that are compared with the choices. */
const MAX_SPANS = 12;

/** Where the choices stand in a text: numbers by value, formulas of LaTeX by value, and whole texts. */
export function findChoiceTexts(text: string, texts: readonly ChoiceText[]): TextMatch[] {
  const matches = findWritten(text, texts);
  if (texts.some(({ isAmount }) => isAmount)) matches.push(...findAmounts(text, texts));
  if (texts.some(({ key }) => key !== null)) {
    for (const { start, end, content } of findMathSpans(text).slice(-MAX_SPANS)) {
      const choice =
        choiceByValue(content, text.slice(end, end + 20), texts) ?? choiceSpelled(content, texts);
      if (choice !== null) matches.push({ choice, at: start, length: end - start });
    }
  }
  return matches;
}

/** The last places where the choices' texts or amounts stand that are looked at. */
const MAX_FOUND = 500;

function findAmounts(text: string, texts: readonly ChoiceText[]): TextMatch[] {
  const keys = new Map(texts.filter(({ isAmount }) => isAmount).map(({ key, choice }) => [key, choice]));
  const found: { start: number; end: number; key: string }[] = [];
  for (const { start, end, value } of scanNumbers(text)) {
    if (value === null) continue;
    const { numerator, denominator } = value;
    const key =
      denominator === 1n
        ? String(numerator)
        : `${numerator < 0n ? "-" : ""}\\frac{${numerator < 0n ? -numerator : numerator}}{${denominator}}`;
    if (keys.has(key)) found.push({ start, end, key });
  }
  const matches: TextMatch[] = [];
  for (const { start, end, key } of found.slice(-MAX_FOUND)) {
    if (isPart(text, start, end)) continue;
    const choice = choiceWithKey(key, text.slice(start, end + 20), texts);
    // Where amounts count things, their number alone is no mention of them.
    const unit = texts.find((one) => one.choice === choice)?.unit ?? "";
    const behind = text.slice(end, end + 20);
    if (choice === null || (unit !== "" && /^\s?\p{L}/u.test(behind) && !sameUnit(unit, unitBehind(behind))))
      continue;
    matches.push({ choice, at: start, length: end - start });
  }
  return matches;
}

const patterns = new WeakMap<readonly ChoiceText[], RegExp>();

/**
 * Each place of a text may be compared with all of the choices' texts. So much of its end is searched that their lengths
 * multiplied are at most this; for a statement less, since many are read.
 */
const MAX_WORK = 3_000_000;
const MAX_STATEMENT_WORK = 300_000;
const STATEMENT_LENGTH = 400;

/** From where on a text is searched for the choices' texts. */
function searchedFrom(text: string, written: readonly ChoiceText[]): number {
  const most = text.length > STATEMENT_LENGTH ? MAX_WORK : MAX_STATEMENT_WORK;
  const total = written.reduce((sum, one) => sum + one.text.length, 0);
  return Math.max(0, text.length - Math.ceil(most / total));
}

/** Where the choices' texts stand as whole words; of two that overlap, the longer one. */
function findWritten(text: string, texts: readonly ChoiceText[]): TextMatch[] {
  // Plain numbers are found by value, unless there are two writings of one.
  const isFound = (one: ChoiceText) =>
    one.isAmount && one.unit === "" && texts.filter(({ key }) => key === one.key).length === 1;
  const written = texts.filter(
    (one) => one.text.length <= MAX_SOUGHT_LENGTH && /[\p{L}\p{N}∞π]/u.test(one.text) && !isFound(one),
  );
  if (written.length === 0) return [];
  const pattern = patterns.get(texts) ?? writtenPattern(written);
  patterns.set(texts, pattern);
  const matches: TextMatch[] = [];
  pattern.lastIndex = searchedFrom(text, written);
  for (const match of [...text.matchAll(pattern)].slice(-MAX_FOUND)) {
    const found = spelled(match[0].replace(/\s+/g, " "));
    const one =
      written.find(({ spelling }) => spelling === found) ??
      written.find(({ lower }) => lower === found.toLowerCase()) ??
      written.find(({ text }) => [`${plain(text)}s`, `${plain(text)}es`].includes(plain(found)));
    if (one === undefined) continue;
    const isStrict = one.isFormal || one.text.length < 3;
    if (isStrict && isPart(text, match.index, match.index + match[0].length)) continue;
    matches.push({ choice: one.choice, at: match.index, length: match[0].length });
  }
  return matches;
}

function writtenPattern(written: readonly ChoiceText[]): RegExp {
  const alternatives = written
    .toSorted((a, b) => b.text.length - a.text.length)
    .map(({ text, isFormal }) => {
      const escaped = escapeRegExp(text.trim());
      if (!isFormal) return `${escaped.replace(/\s+/g, "\\s+")}(?:e?s)?`;
      return Array.from(text.matchAll(/[\p{L}\p{N}.,]+|\s+|./gu), ([piece]) => {
        if (/^\s+$/.test(piece)) return "\\s*";
        if (/^[-−–]$/.test(piece)) return "\\s?[-−–]\\s?";
        return /^[×÷·+=<>≤≥≠*/]$/.test(piece) ? `\\s?${escapeRegExp(piece)}\\s?` : escapeRegExp(piece);
      })
        .join("")
        .replace(/^(?:\\s[?*])+|(?:\\s[?*])+$/g, "")
        .replace(/(?:\\s[?*]){2,}/g, "\\s{0,3}");
    });
  return new RegExp(`(?<![\\p{L}\\p{N}])(?:${alternatives.join("|")})(?![\\p{L}\\p{N}])`, "giu");
}

export function escapeRegExp(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
