// Finds added tokens in text as the Rust tokenizers library does: the longest of the leftmost, with the white space that a
// token takes with it, and whole words only where it says so.

import { LongestMatch } from "./longest-match.ts";
import type { AddedToken } from "./tokenizer-json.ts";

const WORD = "[\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\p{Join_Control}]";
const WORD_FIRST = new RegExp(`^${WORD}`, "u");
const WORD_LAST = new RegExp(`${WORD}$`, "u");
const SPACE = /\p{White_Space}/u;

export class AddedTokenSplitter {
  readonly #tokenOf = new Map<string, AddedToken>();
  readonly #written: LongestMatch;

  /** @param written the text that each token is looked for as; of equal ones the first counts */
  constructor(tokens: readonly AddedToken[], written: (token: AddedToken) => string) {
    for (const token of tokens) {
      const text = written(token);
      if (text !== "" && !this.#tokenOf.has(text)) this.#tokenOf.set(text, token);
    }
    this.#written = new LongestMatch([...this.#tokenOf.keys()]);
  }

  /** Ids of tokens, and the texts between them. Linear in the text. */
  split(text: string): (string | number)[] {
    const parts: (string | number)[] = [];
    let done = 0;
    // The end of the last run of spaces that was walked: a run of tokens made of spaces would walk it for each of them.
    let spacesEnd = 0;
    for (const { word, start } of this.#written.matches(text)) {
      const token = this.#tokenOf.get(word)!; // one of the words
      const end = start + word.length;
      if (token.singleWord && !isApart(text, start, end)) continue;
      const first = token.lstrip ? Math.max(spacesBefore(text, start, done), done) : start;
      if (done < first) parts.push(text.slice(done, first));
      parts.push(token.id);
      if (token.rstrip) {
        spacesEnd = spacesBehind(text, Math.max(end, spacesEnd));
        done = spacesEnd;
      } else done = end;
    }
    if (done < text.length) parts.push(text.slice(done));
    return parts;
  }
}

function isApart(text: string, start: number, end: number): boolean {
  return (
    !WORD_LAST.test(text.slice(Math.max(0, start - 2), start)) && !WORD_FIRST.test(text.slice(end, end + 2))
  );
}

/** Where the spaces before `end` begin, not before `first`. */
function spacesBefore(text: string, end: number, first: number): number {
  let start = end;
  while (start > first && SPACE.test(text[start - 1]!)) start--;
  return start;
}

function spacesBehind(text: string, start: number): number {
  let end = start;
  while (end < text.length && SPACE.test(text[end]!)) end++;
  return end;
}
