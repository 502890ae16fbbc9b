// Drafts what a sequence says next: the tokens that followed when its last tokens stood in its prompt or answer before
// (prompt lookup decoding).

export interface Draft {
  /** At least one. */
  readonly tokens: readonly number[];
  /** How many of the last tokens had stood there before: from 1 to MOST_MATCHED. */
  readonly matched: number;
}

/** Matches are not looked at any further. */
const MOST_MATCHED = 3;
/** Token ids are below it (see logit-row.ts). */
const ID_SPAN = 2 ** 20;

export class DraftLookup {
  readonly #tokens: number[] = [];
  /** By one token and by two, the place after their last occurrence but the newest. */
  readonly #afterOne = new Map<number, number>();
  readonly #afterTwo = new Map<number, number>();

  /** Tokens that were pushed. */
  get length(): number {
    return this.#tokens.length;
  }

  push(token: number): void {
    const tokens = this.#tokens;
    const last = tokens.length - 1;
    // A place is known once a token stands there.
    if (last >= 0) this.#afterOne.set(tokens[last]!, last + 1);
    if (last >= 1) this.#afterTwo.set(tokens[last - 1]! * ID_SPAN + tokens[last]!, last + 1);
    tokens.push(token);
  }

  /** A draft of at most `most` tokens; null where the last token is new. */
  draft(most: number): Draft | null {
    const tokens = this.#tokens;
    const end = tokens.length;
    if (end === 0 || most < 1) return null;
    const two = end > 1 ? this.#afterTwo.get(tokens[end - 2]! * ID_SPAN + tokens[end - 1]!) : undefined;
    const place = two ?? this.#afterOne.get(tokens[end - 1]!);
    if (place === undefined) return null;
    let matched = two === undefined ? 1 : 2;
    while (
      matched > 1 &&
      matched < MOST_MATCHED &&
      place > matched &&
      tokens[place - 1 - matched] === tokens[end - 1 - matched]
    ) {
      matched++;
    }
    return { tokens: tokens.slice(place, place + most), matched };
  }
}
