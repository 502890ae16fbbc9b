// Tidies an extracted expression for display: no delimiters, layout or left-hand side, and plain numbers in digits.

import { scanNumbers } from "../numbers/scan.ts";
import { canonicalLatex } from "./equivalence.ts";

/** A plain number, or an expression without delimiters, layout and left-hand side; null when nothing is left. */
export function tidyExpression(raw: string): string | null {
  const stripped = raw
    .replaceAll("**", "")
    .trim()
    .replace(/^(?:\\[([]|\$+)\s*|\s*(?:\\[)\]]|\$+)[.\s]*$/g, "")
    .replace(/^["“”\s]+/, "")
    // The mark for inches stays: 5'6".
    .replace(/(?:[\s.,;:!?“”]|(?<!\d['’]\s?\d{1,2})")+$/, "");
  if (canonicalLatex(stripped) === "" || /^\\begin\{\w+\*?\}$/.test(stripped)) return null;
  const side = /^[^=]*[^=<>\\!\s]\s*=\s*([^=]+)$/.exec(lastSides(stripped))?.[1]?.trim() ?? "";
  const answer = side !== "" && canonicalLatex(side) === canonicalLatex(stripped) ? side : stripped;
  const laidOut = answer.replace(/\\[dt]frac/g, "\\frac").replace(/\\(?:left|right|!)(?![a-z])/g, "");
  return plainNumber(answer) ?? laidOut;
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
