// Drops characters from the ends of a text, one by one. A pattern such as /[\s.]+$/ tries every place of a long run anew,
// which is quadratic. It knows no answers.

/** What \s matches. */
const WHITESPACE =
  "\t\n\v\f\r \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000\ufeff";

export const SPACES: ReadonlySet<string> = new Set(WHITESPACE);

/** White space and `characters`. */
export function spacesAnd(characters: string): ReadonlySet<string> {
  return new Set(WHITESPACE + characters);
}

/** `text` without those of `dropped` at its start. */
export function dropStart(text: string, dropped: ReadonlySet<string>): string {
  let start = 0;
  while (dropped.has(text[start] ?? "")) start++;
  return text.slice(start);
}

/** Where `text` ends without those of `dropped` at its end, looking back from `end` no further than to `least`. */
export function endWithout(text: string, dropped: ReadonlySet<string>, end = text.length, least = 0): number {
  let at = end;
  while (at > least && dropped.has(text[at - 1] ?? "")) at--;
  return at;
}

/** `text` without those of `dropped` at its end. */
export function dropEnd(text: string, dropped: ReadonlySet<string>): string {
  return text.slice(0, endWithout(text, dropped));
}
