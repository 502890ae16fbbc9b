// Finds the formulas in a text. It does not know which one is an answer.

interface MathSpan {
  readonly start: number;
  readonly end: number;
  readonly content: string;
}

/**
 * $…$, $$…$$, \(…\), \[…\] in order. A dollar opens one when something other than a space follows, and closes it when
 * none stands before and no digit behind (Pandoc's rule); prose between two dollars makes them currencies.
 */
export function findMathSpans(text: string): MathSpan[] {
  const spans: MathSpan[] = [];
  let at = 0;
  while (at < text.length) {
    const span = text[at] === "$" || text[at] === "\\" ? readSpan(text, at) : null;
    if (span !== null) spans.push(span);
    at = span?.end ?? at + (text[at] === "\\" ? 2 : 1);
  }
  return spans;
}

const MAX_SPAN_LENGTH = 600;

function readSpan(text: string, at: number): MathSpan | null {
  const opener = ["$$", "$", "\\(", "\\["].find((delimiter) => text.startsWith(delimiter, at));
  if (opener === undefined) return null;
  const closer = opener === "\\(" ? "\\)" : opener === "\\[" ? "\\]" : opener;
  const from = at + opener.length;
  const window = text.slice(from, from + MAX_SPAN_LENGTH);
  let close = window.indexOf(closer);
  while (close > 0 && closer === "$" && window[close - 1] === "\\") close = window.indexOf(closer, close + 1);
  if (close <= 0) return null;
  const content = window.slice(0, close);
  if (opener === "$") {
    const after = window[close + 1] ?? "";
    if (/^\s|\s$|\n/.test(content) || /\d/.test(after) || isProse(content)) return null;
  }
  return { start: at, end: from + close + closer.length, content: content.trim() };
}

function isProse(content: string): boolean {
  return /(?<![\\a-z])[a-z]{3,}/i.test(content.replace(/\\(?:text|mbox|mathrm|textbf)\{[^{}]*\}/g, ""));
}
