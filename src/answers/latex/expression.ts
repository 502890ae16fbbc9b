// Tidies an extracted expression for display: no delimiters, layout or left-hand side, and plain numbers in digits.

import { scanNumbers } from "../numbers/scan.ts";
import { dropEnd, endWithout, SPACES, spacesAnd } from "../trim.ts";
import { canonicalLatex } from "./equivalence.ts";

/** A plain number, or an expression without delimiters, layout and left-hand side; null when nothing is left. */
export function tidyExpression(raw: string): string | null {
  const stripped = withoutClosing(
    withoutDelimiters(raw.replaceAll("**", "").trim()).replace(/^["“”\s]+/, ""),
  );
  if (canonicalLatex(stripped) === "" || /^\\begin\{\w+\*?\}$/.test(stripped)) return null;
  const side = /^[^=]*[^=<>\\!\s]\s*=\s*([^=]+)$/.exec(lastSides(stripped))?.[1]?.trim() ?? "";
  const answer = side !== "" && canonicalLatex(side) === canonicalLatex(stripped) ? side : stripped;
  const laidOut = answer.replace(/\\[dt]frac/g, "\\frac").replace(/\\(?:left|right|!)(?![a-z])/g, "");
  return plainNumber(answer) ?? laidOut;
}

const STOPS = spacesAnd(".");
const DOLLARS: ReadonlySet<string> = new Set("$");

/** Drops \( and \), \[ and \], or dollars around an expression, with a full stop behind them. */
function withoutDelimiters(expression: string): string {
  const start = /^(?:\\[([]|\$+)\s*/.exec(expression)?.[0].length ?? 0;
  const stop = endWithout(expression, STOPS, expression.length, start);
  const isClosed = stop - 2 >= start && /^\\[)\]]$/.test(expression.slice(stop - 2, stop));
  const open = isClosed ? stop - 2 : endWithout(expression, DOLLARS, stop, start);
  if (open === stop) return expression.slice(start);
  return expression.slice(start, endWithout(expression, SPACES, open, start));
}

const CLOSING = spacesAnd(".,;:!?“”");

/** Drops punctuation and quotes at the end. The mark for inches stays: 5'6". */
function withoutClosing(expression: string): string {
  let rest = dropEnd(expression, CLOSING);
  while (rest.endsWith('"') && !/\d['’]\s?\d{1,2}"$/.test(rest.slice(-5)))
    rest = dropEnd(rest.slice(0, -1), CLOSING);
  return rest;
}

/** The last two sides of a chain of equations. */
function lastSides(expression: string): string {
  const last = expression.lastIndexOf("=");
  const before = last > 0 ? expression.lastIndexOf("=", last - 1) : -1;
  return expression.slice(before + 1);
}

/** An integer or decimal without unit, currency and thousands separators; null for a fraction, a power of
 * ten or anything else. */
function plainNumber(text: string): string | null {
  if (/^[-−]?10\s?\^(?!\s?\{?\\)/.test(text)) return null;
  const key = canonicalLatex(text);
  if (/^-?\d+$/.test(key)) return key;
  if (!/^-?\\frac\{\d+\}\{\d+\}$/.test(key) || /\/|frac/.test(text)) return null;
  const [token, second] = scanNumbers(text);
  return token !== undefined && second === undefined && canonicalLatex(token.display) === key
    ? token.display
    : null;
}
