// The memory of log-probabilities in answers: what requests that report them may come to hold, each and all together. Texts
// are small beside them, and bounded by rows and context alone.
import { badField } from "../../asking/sampling.ts";
import { MagdiError } from "../../base/errors.ts";

/** Of one token's log-probability, or of one alternative's: in the sample, in the response's body, as JSON and as bytes to
 * send. Measured: 335 in a chat completion, 190 in a text completion. */
const ENTRY_BYTES = 340;

export interface ReportedTokens {
  /** Most tokens of all samples. */
  readonly tokens: number;
  /** Alternatives with each. */
  readonly topLogprobs: number;
}

export class AnswerMemory {
  #maxBytes: number;
  #heldBytes = 0;

  constructor(maxBytes = Number.POSITIVE_INFINITY) {
    this.#maxBytes = maxBytes;
  }

  /** Sets the bound, once it is known. */
  bound(maxBytes: number): void {
    this.#maxBytes = maxBytes;
  }

  /**
   * Takes what an answer may come to; call the returned function when it was sent or is given up.
   *
   * @throws MagdiError MAGDI_BAD_REQUEST (param "max_tokens") for more than the bound, MAGDI_QUEUE_FULL while other answers
   * hold too much
   */
  take({ tokens, topLogprobs }: ReportedTokens): () => void {
    const tokenBytes = (1 + topLogprobs) * ENTRY_BYTES;
    const bytes = tokens * tokenBytes;
    if (bytes > this.#maxBytes) {
      const most = Math.floor(this.#maxBytes / tokenBytes);
      throw badField(
        "max_tokens",
        `expected at most ${most} tokens of all choices together with ${topLogprobs} alternatives each, which the server has memory for, found up to ${tokens}; ask for fewer choices, tokens or alternatives`,
      );
    }
    if (this.#heldBytes + bytes > this.#maxBytes) {
      throw new MagdiError(
        "MAGDI_QUEUE_FULL",
        "other requests hold the memory for log-probabilities; try again later, or ask for fewer choices, tokens or alternatives",
      );
    }
    this.#heldBytes += bytes;
    let held = true;
    return () => {
      if (held) this.#heldBytes -= bytes;
      held = false;
    };
  }
}
