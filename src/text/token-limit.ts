// How many tokens a text may come to while it is encoded, counted as they are found: a text that is far too long is
// given up early. Of the vocabulary it knows the longest token.

/** Thrown where a text comes to more tokens than it may. */
export class TooManyTokensError extends Error {
  override readonly name = "TooManyTokensError";
  /** The text has so many tokens, or more. */
  readonly atLeast: number;

  constructor(atLeast: number) {
    super(`the text comes to at least ${atLeast} tokens`);
    this.atLeast = atLeast;
  }
}

export class TokenLimit {
  #most = Number.POSITIVE_INFINITY;
  #found = 0;
  /** Most UTF-16 units of a token as the vocabulary writes it; a character that it lacks has 1 or 2. */
  readonly #longest: number;

  /** @param vocabulary the tokens as the vocabulary writes them */
  constructor(vocabulary: Iterable<string>) {
    let longest = 2;
    for (const token of vocabulary) longest = Math.max(longest, token.length);
    this.#longest = longest;
  }

  /** Runs `encode`, during which no more than `most` tokens may be found. */
  during<T>(most: number, encode: () => T): T {
    this.#most = most;
    this.#found = 0;
    try {
      return encode();
    } finally {
      this.#most = Number.POSITIVE_INFINITY;
    }
  }

  /** Tokens that may still be found. */
  get left(): number {
    return this.#most - this.#found;
  }

  /** Takes note that at least so many are still to be found. @throws TooManyTokensError */
  expect(atLeast: number): void {
    if (atLeast > this.left) throw new TooManyTokensError(this.#found + atLeast);
  }

  /** The same for text that is to be cut into tokens. @throws TooManyTokensError */
  expectPieces(text: string): void {
    this.expect(Math.ceil(text.length / this.#longest));
  }

  /** Takes note of tokens that were found. @throws TooManyTokensError */
  count(tokens: number): void {
    this.expect(tokens);
    this.#found += tokens;
  }
}
