// Splits an answer in LaTeX or plain text into tokens and drops layout. Braces and brackets stay single tokens: what
// they group is equivalence.ts's business.

import { readNumeral } from "../numbers/numeral.ts";

export type LatexToken =
  /** Digits without thousands separators, with an optional decimal part and exponent: 1500, 1.5, 1.5e3. */
  | { readonly kind: "number"; readonly text: string }
  /** A backslash command other than layout, such as \frac. */
  | { readonly kind: "command"; readonly text: string }
  /** A word, in lower case when it is longer than two letters. */
  | { readonly kind: "word"; readonly text: string }
  | { readonly kind: "symbol"; readonly text: string };

/** Commands for layout, size and spacing. */
const DROPPED = new Set(
  "left right big Big bigg Bigg bigl bigr Bigl Bigr biggl biggr displaystyle textstyle limits quad qquad hfill hspace vspace boldsymbol mathbf mathrm mathit mathsf bf rm it degree degrees dollar boxed fbox".split(
    " ",
  ),
);

const SYNONYMS: Record<string, string> = {
  dfrac: "frac",
  tfrac: "frac",
  cfrac: "frac",
  lt: "<",
  gt: ">",
  le: "leq",
  ge: "geq",
  ne: "neq",
  leqslant: "leq",
  geqslant: "geq",
  lbrace: "{",
  rbrace: "}",
  to: "rightarrow",
  infin: "infty",
  lvert: "|",
  rvert: "|",
  vert: "|",
  mid: "|",
  lbrack: "[",
  rbrack: "]",
};

const TEXT_COMMANDS = new Set("text textrm textbf textit textnormal mbox operatorname hbox".split(" "));

const UNICODE: Record<string, string> = {
  "−": "-",
  "–": "-",
  "×": "\\times ",
  "·": "\\cdot ",
  "÷": "/",
  π: "\\pi ",
  "∞": "\\infty ",
  "√": "\\sqrt ",
  "≤": "\\leq ",
  "≥": "\\geq ",
  "≠": "\\neq ",
  "≈": "\\approx ",
  "∪": "\\cup ",
  "∩": "\\cap ",
  "∈": "\\in ",
  "±": "\\pm ",
  θ: "\\theta ",
  "°": "",
  "℃": "",
  "℉": "",
  "“": "",
  "”": "",
  "’": "'",
};

/** Signs of currencies are dropped, before a number and behind it. */
function plainCharacter(character: string): string {
  return UNICODE[character] ?? (/\p{Sc}/u.test(character) ? "" : character);
}

const FUNCTIONS = new Set(
  "sin cos tan cot sec csc log ln exp arcsin arccos arctan min max gcd lcm det".split(" "),
);

/** Units of two or three letters, which would otherwise be read as variables. Longer words need no list. */
const SHORT_UNITS = new Set(
  "cm mm km ft kg mg ml lb oz hr mi yd mph kph sq st nd rd th kb mb gb tb".split(" "),
);

/** Symbols of units of at least two letters that are units even right behind a number, and all symbols of units. */
const LONG_SYMBOL = String.raw`[kMGTm]?(?:Hz|Pa|eV|Wh)|[kMG][JNVWA]|kcal|mol|rpm|dB|[cmk]?m(?=\^)`;
const SYMBOL = String.raw`(?:${LONG_SYMBOL}|[kcdmnµμMGT]?(?:[mgsJNVWKAClL]|Ω|\\Omega)|Ah|mAh|cal|bar|min|hr|ft|in|lb|oz|mi|day|kg|ha|hp|psi|ppm|Rs\.?|kr|[hFT])`;
const POWERED = String.raw`(?:\\(?:mathrm|rm|text|textrm)\s?\{\s?)?${SYMBOL}(?![a-z])(?:\s?\})?(?:\s?\^\s?\{?\s?[-−]?[1-4](?:\s?\})?)?(?:\s?\})?`;
const UNIT_END = String.raw`(?=[\s.)}\]$*]{0,9}(?:$|[,;]|(?:and|or|of|per)\b))`;
/** A unit of symbols behind a space, with the end of the answer behind it: 48 kW, 9.8 m/s^2, 3 N m, 4.2 J/(kg K). */
const SPACED_UNIT = new RegExp(
  String.raw`^(?:[\s~]|\\[ ,;:!]){1,8}${POWERED}(?:\s{0,3}(?:(?:[*/]|\\cdot|\\times)\s?)?\(?${POWERED}\)?){0,3}${UNIT_END}`,
);
const JOINED_UNIT = new RegExp(String.raw`^(?:${LONG_SYMBOL})(?:\^\{?[23]\}?)?${UNIT_END}`);
/** What an amount can be written with. */
const AMOUNT = /^(?:[-+*/^{}()]|\\(?:frac|times|cdot|pi|sqrt|pm))$/;

/** Degrees Celsius and Fahrenheit: 18^\circ C. */
const DEGREES_OF_A_SCALE = /\^\s?\{?\s?\\circ\s?\}?\s?(?:\\(?:text|mathrm)\s?\{\s?[CF]\s?\}|[CF](?![a-z]))/gi;

/** "18 sec.": a unit and not the function, since no argument follows. */
const TIME_UNIT = /^(?:sec|min)(?=[\s.)}]*(?:$|[,;/]|and\b|or\b))/i;

/** Longer answers are compared as they are written. */
export const MAX_LATEX_LENGTH = 2000;

/** The tokens of `raw`. Each step looks at most MAX_LATEX_LENGTH characters ahead. */
export function tokenizeLatex(raw: string): LatexToken[] {
  const text = raw
    .replace(/°\s?[CF](?![a-z])/gi, "")
    .replace(/[^\p{ASCII}]/gu, plainCharacter)
    .replace(/([<>])=/g, (_, relation) => (relation === "<" ? "\\leq " : "\\geq "))
    // 1, \! 000 is one number, and \\frac is \frac with its backslash escaped.
    .replace(/,\s*\\!\s*(?=\d)/g, ",")
    .replace(/\\!/g, "")
    .replace(/(?<!\\)\\\\(?=[dt]?frac|sqrt|text|left|right)/g, "\\")
    .replace(/\b([ap])\.m\b\.?/gi, "$1m")
    .replace(DEGREES_OF_A_SCALE, "");
  const tokens: LatexToken[] = [];
  let at = 0;
  let depth = 0;
  while (at < text.length) {
    const rest = text.slice(at, at + MAX_LATEX_LENGTH);
    const [length, produced] = readToken(rest, tokens, depth > 0);
    tokens.push(...produced);
    for (const token of produced) depth += bracketStep(token);
    at += length;
  }
  return tokens;
}

function readToken(
  rest: string,
  before: readonly LatexToken[],
  inBrackets: boolean,
): [length: number, tokens: LatexToken[]] {
  const unit = behindAmount(before) ? (SPACED_UNIT.exec(rest) ?? JOINED_UNIT.exec(rest)) : null;
  if (unit !== null) return [unit[0].length, [{ kind: "word", text: "unit" }]];
  const space = /^(?:\s+|[~$%`]|\*\*)/.exec(rest);
  if (space !== null) return [space[0].length, []];
  const inList = inBrackets && /^\d{1,3},/.test(rest);
  const number = readNumeral(rest, 0, { inList });
  if (number !== null) {
    const text = number.digits + (number.exponent === 0 ? "" : `e${number.exponent}`);
    return [number.end, [{ kind: "number", text }]];
  }
  if (rest.startsWith("\\")) return readCommand(rest);
  // 1.5 x 10^3: an x between two numbers and followed by a space multiplies.
  if (/^x(?:\s+\d|10\s?\^)/i.test(rest) && before.at(-1)?.kind === "number")
    return [1, [{ kind: "command", text: "\\times" }]];
  const word = /^[a-z]+/i.exec(rest)?.[0] ?? "";
  const isTime = before.at(-1)?.kind === "number" && TIME_UNIT.test(rest);
  if (word.length > 2 && (isTime || !FUNCTIONS.has(word))) return [word.length, [wordToken(word)]];
  if (word.length > 1 && (SHORT_UNITS.has(word.toLowerCase()) || isConjunction(word)))
    return [word.length, [wordToken(word)]];
  if (/^[ap]m$/i.test(word)) return [2, [{ kind: "symbol", text: word.toLowerCase() }]];
  if (FUNCTIONS.has(word)) return [word.length, [{ kind: "command", text: `\\${word}` }]];
  return [1, [{ kind: "symbol", text: rest[0] ?? "" }]];
}

/** Whether the last element so far is an amount and no expression with variables. */
function behindAmount(before: readonly LatexToken[]): boolean {
  const last = before.at(-1);
  if (last === undefined || !(last.kind === "number" || last.text === "}")) return false;
  for (const { kind, text } of before.slice(-20).reverse()) {
    if (text === "," || text === ";" || text === "=" || text === "\\approx" || kind === "word") return true;
    if (kind !== "number" && !AMOUNT.test(text)) return false;
  }
  return true;
}

/** By how much a token opens or closes brackets. */
function bracketStep({ kind, text }: LatexToken): number {
  if (kind !== "symbol") return 0;
  if (text === "(" || text === "[" || text === "\\{") return 1;
  return text === ")" || text === "]" || text === "\\}" ? -1 : 0;
}

function readCommand(rest: string): [length: number, tokens: LatexToken[]] {
  const name = /^\\([a-z]+)\*?/i.exec(rest);
  if (name === null) {
    const symbol = rest[1] ?? "";
    if (symbol === "{" || symbol === "}" || symbol === "|")
      return [2, [{ kind: "symbol", text: `\\${symbol}` }]];
    // \\ separates the rows of a matrix; anything else is spacing, a delimiter, \$ or \%.
    return [2, symbol === "\\" ? [{ kind: "symbol", text: "\\\\" }] : []];
  }
  const command = name[1] ?? "";
  let length = name[0].length;
  if (TEXT_COMMANDS.has(command)) {
    const group = /^\s*\{([^{}]*)\}/.exec(rest.slice(length));
    if (group === null) return [length, []];
    return [length + group[0].length, textTokens(group[1] ?? "")];
  }
  if (DROPPED.has(command)) {
    // \left. is an invisible delimiter.
    if ((command === "left" || command === "right") && rest[length] === ".") length += 1;
    return [length, []];
  }
  const meaning = SYNONYMS[command] ?? command;
  if (/^[|[\]<>]$/.test(meaning)) return [length, [{ kind: "symbol", text: meaning }]];
  if (/^[{}]$/.test(meaning)) return [length, [{ kind: "symbol", text: `\\${meaning}` }]];
  return [length, [{ kind: "command", text: `\\${meaning}` }]];
}

/** The tokens of \text{…}: letters make words whatever their length, anything else is read as usual. */
function textTokens(text: string): LatexToken[] {
  const tokens: LatexToken[] = [];
  for (const piece of text.matchAll(/[a-z][a-z'-]*|[^\sa-z]+/gi)) {
    const isWord = /^[a-z]/i.test(piece[0]);
    if (/^[ap]m$/i.test(piece[0])) tokens.push({ kind: "symbol", text: piece[0].toLowerCase() });
    else if (isWord) tokens.push(wordToken(piece[0]));
    else tokens.push(...tokenizeLatex(piece[0]));
  }
  return tokens;
}

function wordToken(word: string): LatexToken {
  return { kind: "word", text: word.length > 2 || isConjunction(word) ? word.toLowerCase() : word };
}

function isConjunction(word: string): boolean {
  return /^(?:or|and)$/i.test(word);
}
