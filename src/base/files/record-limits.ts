// How large one record of a file may be, so that a small hostile file takes no large memory: its characters, and the
// values that JSON.parse would make of them.

/** Of one line, or one element of an array: thousands of times an ordinary debate. */
export const RECORD_CHARACTERS = 2 ** 24;
/** Of a document that is held in memory. */
export const DOCUMENT_CHARACTERS = 2 ** 26;
/** Numbers, texts, lists and objects of one record or document: empty ones take thirty times their characters. */
const MOST_VALUES = 2_000_000;
/** Shorter texts cannot have too many: "0," is the shortest value. */
const FEW_CHARACTERS = 2 * MOST_VALUES;

/** What is too large about a JSON text, as "at most …"; null when nothing is. */
export function excessOf(text: string, mostCharacters: number): string | null {
  if (text.length > mostCharacters) return `at most ${mostCharacters} characters`;
  return hasTooManyValues(text) ? `at most ${MOST_VALUES} values` : null;
}

/** Counts commas and opening brackets outside strings: there are no more values than those and one. */
function hasTooManyValues(text: string): boolean {
  if (text.length <= FEW_CHARACTERS) return false;
  let values = 1;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) at = endOfString(text, at);
    else if (code === COMMA || code === OPEN_ARRAY || code === OPEN_OBJECT) values += 1;
  }
  return values > MOST_VALUES;
}

/** The place of the closing quote, or the text's end. */
function endOfString(text: string, opening: number): number {
  for (let at = opening + 1; ; ) {
    const quote = text.indexOf('"', at);
    if (quote < 0) return text.length;
    let backslashes = 0;
    while (quote - backslashes > at && text.charCodeAt(quote - backslashes - 1) === BACKSLASH)
      backslashes += 1;
    if (backslashes % 2 === 0) return quote;
    at = quote + 1;
  }
}

const [QUOTE, COMMA, BACKSLASH, OPEN_ARRAY, OPEN_OBJECT] = [34, 44, 92, 91, 123];
