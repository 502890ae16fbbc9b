// Counts a text's tokens while it is encoded, and stops early on a text that is certain to exceed a limit.

/** Thrown when a text has more tokens than the limit. */
export class TooManyTokensError extends Error {
  override readonly name = "TooManyTokensError";
  /** A lower bound of the text's tokens. */
  readonly atLeast: number;

  constructor(atLeast: number) {
    super(`the text comes to at least ${atLeast} tokens`);
    this.atLeast = atLeast;
  }
}

export class TokenLimit {
  #most = Number.POSITIVE_INFINITY;
  #found = 0;
  /** Length of the longest token in UTF-16 units; at least 2, for a character that the vocabulary lacks. */
  readonly #longest: number;

  /** @param vocabulary the tokens as the vocabulary writes them */
  constructor(vocabulary: Iterable<string>) {
    let longest = 2;
    for (const token of vocabulary) longest = Math.max(longest, token.length);
    this.#longest = longest;
  }

  /** Runs `encode` with a limit of `most` tokens. */
  during<T>(most: number, encode: () => T): T {
    this.#most = most;
    this.#found = 0;
    try {
      return encode();
    } finally {
      this.#most = Number.POSITIVE_INFINITY;
    }
  }

  /** Tokens left until the limit. */
  get left(): number {
    return this.#most - this.#found;
  }

  /** At least this many tokens are still to come. @throws TooManyTokensError */
  expect(atLeast: number): void {
    if (atLeast > this.left) throw new TooManyTokensError(this.#found + atLeast);
  }

  /** The text is still to be encoded. @throws TooManyTokensError */
  expectPieces(text: string): void {
    this.expect(Math.ceil(text.length / this.#longest));
  }

  /** This many tokens were found. @throws TooManyTokensError */
  count(tokens: number): void {
    this.expect(tokens);
    this.#found += tokens;
  }
}
