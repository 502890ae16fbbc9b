// Tokens and log-probabilities in OpenAI's two formats: chat's list and text completions' columns.

import type { TokenLogprob } from "../../engine/request.ts";
import type { Tokenizer } from "../../text/tokenizer.ts";
import type { ChatCompletion } from "./chat-schema.ts";
import type { TextCompletion } from "./completions-schema.ts";

type ChatLogprobs = ChatCompletion["choices"][number]["logprobs"];
type TextLogprobs = TextCompletion["choices"][number]["logprobs"];

/** Whether the token is not part of the text, such as end-of-sequence. */
export function isSpecial(tokenizer: Tokenizer, { tokenId }: TokenLogprob): boolean {
  return tokenizer.specialTokenIds.has(tokenId);
}

/** Chat's format, a list of tokens. */
export function chatLogprobs(tokenizer: Tokenizer, details: readonly TokenLogprob[]): ChatLogprobs {
  // Alternatives repeat from token to token: one text and one list of bytes serve all of them.
  const known = new Map<number, { readonly token: string; readonly bytes: number[] }>();
  const shownOnce = (id: number) => {
    const seen = known.get(id) ?? { token: shownToken(tokenizer, id), bytes: [...tokenizer.tokenBytes(id)] };
    known.set(id, seen);
    return seen;
  };
  const token = (id: number, logprob: number) => {
    const { token, bytes } = shownOnce(id);
    return { token, logprob: jsonLogprob(logprob), bytes };
  };
  const content = details
    .filter((detail) => !isSpecial(tokenizer, detail))
    .map((detail) => ({
      ...token(detail.tokenId, detail.logprob),
      top_logprobs: detail.top.map((top) => token(top.tokenId, top.logprob)),
    }));
  return { content, refusal: null };
}

/** Text completions' format, in columns; one writer for each choice, because offsets run on from chunk to chunk. */
export class TextLogprobWriter {
  readonly #tokenizer: Tokenizer;
  /** Characters started so far. */
  #characters = 0;

  constructor(tokenizer: Tokenizer) {
    this.#tokenizer = tokenizer;
  }

  next(details: readonly TokenLogprob[]): TextLogprobs {
    const shown = details.filter((detail) => !isSpecial(this.#tokenizer, detail));
    return {
      tokens: shown.map(({ tokenId }) => shownTextToken(this.#tokenizer, tokenId)),
      token_logprobs: shown.map(({ logprob }) => jsonLogprob(logprob)),
      top_logprobs: shown.map((detail) => this.#top(detail)),
      text_offset: shown.map(({ tokenId }) => this.#offset(this.#tokenizer.tokenBytes(tokenId))),
    };
  }

  /** The chosen token is included even if it is not one of the most likely. */
  #top(detail: TokenLogprob): Record<string, number> {
    const top = new Map<string, number>();
    for (const { tokenId, logprob } of [...detail.top, detail]) {
      const token = shownTextToken(this.#tokenizer, tokenId);
      // Two tokens may have the same text; the more likely one is reported.
      if (!top.has(token)) top.set(token, jsonLogprob(logprob));
    }
    return Object.fromEntries(top);
  }

  /** In code points. A token that begins inside a character has that character's offset. */
  #offset(bytes: Uint8Array): number {
    const offset = isContinuation(bytes[0]) ? Math.max(0, this.#characters - 1) : this.#characters;
    for (const byte of bytes) if (!isContinuation(byte)) this.#characters++;
    return offset;
  }
}

/** Whether a byte is a UTF-8 continuation byte. */
function isContinuation(byte: number | undefined): boolean {
  return byte !== undefined && (byte & 0xc0) === 0x80;
}

/** JSON has no infinity; like OpenAI and vLLM, an impossible token has -9999. */
function jsonLogprob(logprob: number): number {
  return Math.max(logprob, -9999);
}

/** A token's text; bytes that are not whole characters are escaped as in OpenAI's chat format: `\xf0\x9f`. */
export function shownToken(tokenizer: Tokenizer, id: number): string {
  return shown(tokenizer, id, "");
}

/** The same in OpenAI's format for text completions: `bytes:\xf0\x9f`. */
export function shownTextToken(tokenizer: Tokenizer, id: number): string {
  return shown(tokenizer, id, "bytes:");
}

function shown(tokenizer: Tokenizer, id: number, prefix: string): string {
  const text = tokenizer.tokenText(id);
  if (!text.includes("\ufffd")) return text;
  const bytes = tokenizer.tokenBytes(id);
  // The token may really be the replacement character.
  if (Buffer.from(text).equals(bytes)) return text;
  return prefix + Array.from(bytes, (byte) => `\\x${byte.toString(16).padStart(2, "0")}`).join("");
}
