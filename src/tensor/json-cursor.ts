// A pull parser for JSON from untrusted files: the caller says which value to expect next, no tree is built, nesting is
// bounded, and a duplicate key is an error.

import { badFile, quoted, unsupported } from "./bad-file.ts";

/** How deep a skipped value may nest. */
const MAX_SKIPPED_DEPTH = 64;
/** In one object: far more than any model has. */
const MAX_KEYS = 2 ** 20;

const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const LITERAL = /true|false|null/y;

export class JsonCursor {
  readonly #path: string;
  readonly #what: string;
  readonly #text: string;
  #at = 0;

  /** @param what names the text in errors, such as: the header */
  constructor(path: string, what: string, text: string) {
    this.#path = path;
    this.#what = what;
    this.#text = text;
  }

  /** Reads an object; visit is called with each key and must read its value. */
  object(visit: (key: string) => void): void {
    this.#take("{", "an object");
    const seen = new Set<string>();
    this.#list("}", () => {
      const key = this.string("a key");
      if (seen.has(key)) throw this.fail("each key once", `${quoted(key)} twice`);
      seen.add(key);
      if (seen.size > MAX_KEYS) {
        throw unsupported(this.#path, this.#what, `an object has more than ${MAX_KEYS} keys`);
      }
      this.#take(":", `a colon after ${quoted(key)}`);
      visit(key);
    });
  }

  /** Reads an array; visit must read each element. */
  array(what: string, visit: () => void): void {
    this.#take("[", what);
    this.#list("]", visit);
  }

  string(what: string): string {
    this.#take('"', what);
    const start = this.#at;
    let isEscaped = false;
    for (;;) {
      const code = this.#text.charCodeAt(this.#at);
      if (code === 0x22) break;
      if (Number.isNaN(code) || code < 0x20) throw this.fail("a closing quote", this.#here());
      if (code === 0x5c) {
        isEscaped = true;
        this.#at++;
      }
      this.#at++;
    }
    this.#at++;
    if (!isEscaped) return this.#text.slice(start, this.#at - 1);
    return this.#unescape(this.#text.slice(start - 1, this.#at));
  }

  /** A whole number from 0 up to 2^53 - 1, written in digits alone. */
  count(what: string): number {
    const text = this.#match(NUMBER) ?? this.#here();
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (!Number.isSafeInteger(value)) throw this.fail(`${what}: a whole number of at least 0`, quoted(text));
    return value;
  }

  /** Reads null if it comes next. */
  isNull(): boolean {
    this.#skipSpace();
    if (!this.#text.startsWith("null", this.#at)) return false;
    this.#at += 4;
    return true;
  }

  /** Skips a value of any kind. */
  skip(depth = 0): void {
    if (depth > MAX_SKIPPED_DEPTH) throw this.fail(`at most ${MAX_SKIPPED_DEPTH} levels`, "more");
    this.#skipSpace();
    const next = this.#text[this.#at];
    if (next === "{") this.object(() => this.skip(depth + 1));
    else if (next === "[") this.array("an array", () => this.skip(depth + 1));
    else if (next === '"') this.string("a string");
    else if (this.#match(NUMBER) === null && this.#match(LITERAL) === null) {
      throw this.fail("a value", this.#here());
    }
  }

  /** Nothing but white space may follow. */
  end(): void {
    this.#skipSpace();
    if (this.#at < this.#text.length) throw this.fail("the end", this.#here());
  }

  fail(expected: string, found: string | number): Error {
    return badFile(this.#path, `${this.#what}, at character ${this.#at}`, expected, found);
  }

  #list(close: string, visit: () => void): void {
    this.#skipSpace();
    if (this.#text[this.#at] === close) {
      this.#at++;
      return;
    }
    for (;;) {
      visit();
      this.#skipSpace();
      const next = this.#text[this.#at];
      if (next !== close && next !== ",") throw this.fail(`"," or "${close}"`, this.#here());
      this.#at++;
      if (next === close) return;
    }
  }

  #take(character: string, what: string): void {
    this.#skipSpace();
    if (this.#text[this.#at] !== character) throw this.fail(what, this.#here());
    this.#at++;
  }

  #match(pattern: RegExp): string | null {
    this.#skipSpace();
    pattern.lastIndex = this.#at;
    const text = pattern.exec(this.#text)?.[0] ?? null;
    if (text !== null) this.#at += text.length;
    return text;
  }

  #unescape(literal: string): string {
    try {
      return String(JSON.parse(literal));
    } catch {
      throw this.fail("JSON's escapes in a string", quoted(literal));
    }
  }

  #skipSpace(): void {
    for (;;) {
      const code = this.#text.charCodeAt(this.#at);
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return;
      this.#at++;
    }
  }

  #here(): string {
    return this.#at < this.#text.length ? quoted(this.#text.slice(this.#at, this.#at + 20)) : "the end";
  }
}
