// Finds added tokens in text as the Rust tokenizers library does: the longest of the leftmost, with the white space that a
// token takes with it, and whole words only where it says so.

import type { AddedToken } from "./tokenizer-json.ts";

interface Node {
  readonly next: Map<number, Node>;
  token?: AddedToken;
}

const WORD = "[\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\p{Join_Control}]";
const WORD_FIRST = new RegExp(`^${WORD}`, "u");
const WORD_LAST = new RegExp(`${WORD}$`, "u");
const SPACE = /\p{White_Space}/u;

export class AddedTokenSplitter {
  readonly #root: Node = { next: new Map() };

  /** @param written the text that each token is looked for as; of equal ones the first counts */
  constructor(tokens: readonly AddedToken[], written: (token: AddedToken) => string) {
    for (const token of tokens) {
      const text = written(token);
      if (text === "") continue;
      let node = this.#root;
      for (let i = 0; i < text.length; i++) {
        let next = node.next.get(text.charCodeAt(i));
        if (next === undefined) {
          next = { next: new Map() };
          node.next.set(text.charCodeAt(i), next);
        }
        node = next;
      }
      node.token ??= token;
    }
  }

  /** Ids of tokens, and the texts between them. */
  split(text: string): (string | number)[] {
    const parts: (string | number)[] = [];
    let done = 0;
    for (let at = 0; at < text.length; ) {
      const found = this.#longestAt(text, at);
      if (found === null) {
        at++;
        continue;
      }
      const { token, end } = found;
      const start = at;
      at = end;
      if (token.singleWord && !isApart(text, start, end)) continue;
      const first = token.lstrip ? Math.max(spacesBefore(text, start), done) : start;
      if (done < first) parts.push(text.slice(done, first));
      parts.push(token.id);
      done = token.rstrip ? spacesBehind(text, end) : end;
    }
    if (done < text.length) parts.push(text.slice(done));
    return parts;
  }

  #longestAt(text: string, at: number): { readonly token: AddedToken; readonly end: number } | null {
    let node: Node | undefined = this.#root;
    let found: { token: AddedToken; end: number } | null = null;
    for (let i = at; i < text.length; i++) {
      node = node.next.get(text.charCodeAt(i));
      if (node === undefined) break;
      if (node.token !== undefined) found = { token: node.token, end: i + 1 };
    }
    return found;
  }
}

function isApart(text: string, start: number, end: number): boolean {
  return (
    !WORD_LAST.test(text.slice(Math.max(0, start - 2), start)) && !WORD_FIRST.test(text.slice(end, end + 2))
  );
}

function spacesBefore(text: string, end: number): number {
  let start = end;
  while (start > 0 && SPACE.test(text[start - 1]!)) start--;
  return start;
}

function spacesBehind(text: string, start: number): number {
  let end = start;
  while (end < text.length && SPACE.test(text[end]!)) end++;
  return end;
}
