// Quotes the texts of special tokens in untrusted text, so that they are tokenised as text and not as those tokens.

import { MagdiError } from "../base/errors.ts";
import { byteLevelText } from "./byte-level-alphabet.ts";
import { LongestMatch } from "./longest-match.ts";

/** A noncharacter of Unicode. A private-use character behind it says which text it stands for. */
const MARK = "\ufdd0";
const FIRST_KIND = 0xf0000;
const KINDS = 0xfffd;
const MARKED = /\ufdd0([\u{f0000}-\u{ffffd}])/gu;

/** The library's hooks in which quoted texts are restored: after special tokens were found, before words are. */
interface Hooks {
  readonly model: { bpe: (word: string) => readonly string[] };
  pre_tokenizer: ((text: string, options: { readonly isFirst: boolean }) => readonly string[]) | null;
}

/**
 * Marks keep their place through chat templates and normalizers, so a quoted text is tokenised together with its
 * neighbours, as it would be if it were not special.
 */
export class SpecialTokenQuotes {
  /** Of each kind, the text that it stands for. The first is the mark itself, where a text already has it. */
  readonly #texts: readonly string[];
  readonly #kindOf: ReadonlyMap<string, string>;
  readonly #special: LongestMatch;
  /** Special tokens as words and pieces are written: as they are, or in the byte-level alphabet. */
  readonly #pieces: ReadonlySet<string>;
  #quoted = false;

  /** @throws MAGDI_UNSUPPORTED for more than there are marks */
  constructor(specialTokens: readonly { readonly content: string }[], origin: string) {
    const contents = specialTokens.map(({ content }) => content).filter((content) => content !== "");
    this.#texts = [MARK, ...new Set(contents)];
    if (this.#texts.length > KINDS) {
      throw new MagdiError(
        "MAGDI_UNSUPPORTED",
        `${origin}: expected at most ${KINDS - 1} special tokens, found ${this.#texts.length - 1}`,
      );
    }
    this.#kindOf = new Map(
      this.#texts.map((text, kind) => [text, `${MARK}${String.fromCodePoint(FIRST_KIND + kind)}`]),
    );
    this.#special = new LongestMatch(this.#texts);
    this.#pieces = new Set(contents.flatMap((content) => [content, byteLevelText(content)]));
  }

  quote(text: string): string {
    return this.#special.replace(text, (special) => this.#kindOf.get(special) ?? special);
  }

  /** Runs `encode` on a text with marks, or on one that has none. */
  during<T>(quoted: boolean, encode: () => T): T {
    this.#quoted = quoted;
    try {
      return encode();
    } finally {
      this.#quoted = false;
    }
  }

  /** Makes the library restore quoted texts while `during` runs. */
  readIn(library: Hooks): void {
    const { model, pre_tokenizer: split } = library;
    const { bpe } = model;
    let restored = false;
    library.pre_tokenizer = (text, options) => {
      const plain = this.#quoted ? this.#restore(text) : text;
      restored = plain !== text;
      const words = split === null ? [plain] : split(plain, options);
      return restored ? words.flatMap((word) => this.#apart(word)) : words;
    };
    // Neither a vocabulary that has whole words nor its merges may make the token after all.
    model.bpe = (word) => {
      const pieces = bpe.call(model, word);
      return restored ? pieces.flatMap((piece) => this.#apart(piece)) : pieces;
    };
  }

  #restore(text: string): string {
    return text.replace(MARKED, (_, kind: string) => this.#texts[kind.codePointAt(0)! - FIRST_KIND] ?? "");
  }

  /** A word or piece that is a special token's text becomes its characters. */
  #apart(piece: string): string[] {
    return this.#pieces.has(piece) ? [...piece] : [piece];
  }
}
