// Log-probabilities in OpenAI's two forms. It knows neither engine nor transport.
import type { TokenLogprob } from "../../engine/request.ts";
import type { Tokenizer } from "../../text/tokenizer.ts";
import type { ChatCompletion } from "./chat-schema.ts";
import type { TextCompletion } from "./text-schema.ts";
import { shownTextToken, shownToken } from "./token-text.ts";

type ChatLogprobs = ChatCompletion["choices"][number]["logprobs"];
type TextLogprobs = TextCompletion["choices"][number]["logprobs"];

/** Those of tokens that are seen: without end-of-sequence and other special tokens they spell the text. */
function visible(tokenizer: Tokenizer, details: readonly TokenLogprob[]): TokenLogprob[] {
  return details.filter((detail) => !tokenizer.specialTokenIds.has(detail.tokenId));
}

/** Chat's form, a list of tokens. */
export function chatLogprobs(tokenizer: Tokenizer, details: readonly TokenLogprob[]): ChatLogprobs {
  const token = (id: number, logprob: number) => ({
    token: shownToken(tokenizer, id),
    logprob: jsonLogprob(logprob),
    bytes: [...tokenizer.tokenBytes(id)],
  });
  const content = visible(tokenizer, details).map((detail) => ({
    ...token(detail.tokenId, detail.logprob),
    top_logprobs: detail.top.map((top) => token(top.tokenId, top.logprob)),
  }));
  return { content, refusal: null };
}

/** The older form, in columns, of one choice as it grows. */
export class TextLogprobWriter {
  readonly #tokenizer: Tokenizer;
  /** Characters begun so far. */
  #characters = 0;

  constructor(tokenizer: Tokenizer) {
    this.#tokenizer = tokenizer;
  }

  next(details: readonly TokenLogprob[]): TextLogprobs {
    const shown = visible(this.#tokenizer, details);
    return {
      tokens: shown.map(({ tokenId }) => shownTextToken(this.#tokenizer, tokenId)),
      token_logprobs: shown.map(({ logprob }) => jsonLogprob(logprob)),
      top_logprobs: shown.map((detail) => this.#top(detail)),
      text_offset: shown.map(({ tokenId }) => this.#offset(this.#tokenizer.tokenBytes(tokenId))),
    };
  }

  /** The chosen token is among them even where it is not one of the most likely. */
  #top(detail: TokenLogprob): Record<string, number> {
    const top = new Map<string, number>();
    for (const { tokenId, logprob } of [...detail.top, detail]) {
      const token = shownTextToken(this.#tokenizer, tokenId);
      // Of two tokens that look the same the likelier one is shown.
      if (!top.has(token)) top.set(token, jsonLogprob(logprob));
    }
    return Object.fromEntries(top);
  }

  /** In characters (code points); of a token that goes on with a character, where that character stands. */
  #offset(bytes: Uint8Array): number {
    const offset = continues(bytes[0]) ? Math.max(0, this.#characters - 1) : this.#characters;
    for (const byte of bytes) if (!continues(byte)) this.#characters++;
    return offset;
  }
}

/** Whether a byte of UTF-8 goes on with a character. */
function continues(byte: number | undefined): boolean {
  return byte !== undefined && (byte & 0xc0) === 0x80;
}

/** JSON has no infinity; OpenAI and vLLM write a token that cannot be as -9999. */
function jsonLogprob(logprob: number): number {
  return Math.max(logprob, -9999);
}
