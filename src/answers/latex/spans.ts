// Finds the formulas in a text. It does not know which one is the answer.

import { dropEnd, spacesAnd } from "../trim.ts";

export interface MathSpan {
  readonly start: number;
  readonly end: number;
  readonly content: string;
}

/**
 * All $…$, $$…$$, \(…\), \[…\] and \begin{align*}…\end{align*} in order; of several rows only the last. Pandoc's rule
 * tells $…$ from currencies: no space follows the opening dollar, none stands before the closing one, and no digit
 * follows that. Two dollars with prose between them are currencies too.
 */
export function findMathSpans(text: string): MathSpan[] {
  const spans: MathSpan[] = [];
  const closers = new Closers(text);
  let at = 0;
  while (at < text.length) {
    const span = text[at] === "$" || text[at] === "\\" ? readSpan(text, at, closers) : null;
    if (span !== null) spans.push(span);
    at = span?.end ?? at + (text[at] === "\\" ? 2 : 1);
  }
  return spans;
}

const MAX_SPAN_LENGTH = 600;
const MAX_ROWS_LENGTH = 2000;
const ROWS = /\\begin\{((?:align|aligned|gather|gathered|equation|eqnarray|multline|split)\*?)\}/y;

/** Finds where closing delimiters stand; what was found once is not looked for again. */
class Closers {
  readonly #text: string;
  readonly #found = new Map<string, number>();

  constructor(text: string) {
    this.#text = text;
  }

  /** The first place of `closer` from `from` on, which must not go back; the text's length when there is none. */
  next(closer: string, from: number): number {
    let at = this.#found.get(closer) ?? -1;
    if (at < from) {
      at = this.#text.indexOf(closer, from);
      if (at < 0) at = this.#text.length;
      this.#found.set(closer, at);
    }
    return at;
  }
}

function readSpan(text: string, at: number, closers: Closers): MathSpan | null {
  ROWS.lastIndex = at;
  const rows = ROWS.exec(text);
  if (rows !== null) {
    const end = `\\end{${rows[1]}}`;
    const from = at + rows[0].length;
    const length = closers.next(end, from) - from;
    if (length + end.length > Math.min(MAX_ROWS_LENGTH, text.length - from)) return null;
    return { start: at, end: from + length + end.length, content: lastRow(text.slice(from, from + length)) };
  }
  const opener = ["$$", "$", "\\(", "\\["].find((delimiter) => text.startsWith(delimiter, at));
  if (opener === undefined) return null;
  const closer = opener === "\\(" ? "\\)" : opener === "\\[" ? "\\]" : opener;
  const from = at + opener.length;
  if (closers.next(closer, from) + closer.length > Math.min(from + MAX_SPAN_LENGTH, text.length)) return null;
  const window = text.slice(from, from + MAX_SPAN_LENGTH);
  let close = window.indexOf(closer);
  while (close > 0 && closer === "$" && window[close - 1] === "\\") close = window.indexOf(closer, close + 1);
  if (close <= 0) return null;
  const content = window.slice(0, close);
  if (opener === "$") {
    const after = window[close + 1] ?? "";
    if (/^\s|\s$|\n/.test(content) || /\d/.test(after) || isProse(content)) return null;
  }
  return { start: at, end: from + close + closer.length, content: unlaid(content) };
}

/** The last row of a display with rows, or else its whole content. */
function unlaid(content: string): string {
  ROWS.lastIndex = content.search(/\S|$/);
  const rows = ROWS.exec(content);
  if (rows === null) return content.trim();
  const from = ROWS.lastIndex;
  const end = content.indexOf(`\\end{${rows[1]}}`, from);
  return end < 0 ? content.trim() : lastRow(content.slice(from, end));
}

const STOPS = spacesAnd(".,;");

/** "x &= 2 + 3 \\\\ &= 5" → "= 5". */
function lastRow(rows: string): string {
  const last = rows.split("\\\\").findLast((row) => row.trim() !== "") ?? "";
  return dropEnd(last.replace(/(?<!\\)&/g, ""), STOPS).trim();
}

function isProse(content: string): boolean {
  return /(?<![\\a-z])[a-z]{3,}/i.test(content.replace(/\\(?:text|mbox|mathrm|textbf)\{[^{}]*\}/g, ""));
}
