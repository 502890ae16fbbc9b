// Incremental detokenisation: streams the text of one sequence, token by token.

import type { DecodeOptions, Tokenizer } from "./tokenizer.ts";

const NOTHING = Buffer.alloc(0);

/**
 * push() returns the text that no later token can change, finish() the rest; joined they equal
 * `tokenizer.decode(ids, options)`, for any ids. A character of several tokens comes with the last of them. The time for a
 * token does not grow with the sequence.
 */
export class IncrementalDetokenizer {
  readonly #tokenizer: Tokenizer;
  readonly #skipSpecialTokens: boolean;
  /** Leading spaces still to be stripped; 0 once the text has begun. */
  #strip: number;
  /** Up to three bytes: an incomplete character. */
  #pending: Buffer = NOTHING;

  constructor(tokenizer: Tokenizer, options: DecodeOptions) {
    this.#tokenizer = tokenizer;
    this.#skipSpecialTokens = options.skipSpecialTokens;
    this.#strip = options.continuesText ? 0 : tokenizer.leadingSpaces;
  }

  push(id: number): string {
    if (this.#skipSpecialTokens && this.#tokenizer.specialTokenIds.has(id)) return "";
    let bytes = this.#tokenizer.tokenBytes(id);
    while (this.#strip > 0 && bytes.length > 0) {
      if (bytes[0] === 0x20) {
        bytes = bytes.subarray(1);
        this.#strip--;
      } else {
        this.#strip = 0;
      }
    }
    if (bytes.length === 0) return "";
    const all = this.#pending.length === 0 ? view(bytes) : Buffer.concat([this.#pending, bytes]);
    const end = all.length - incompleteBytes(all);
    this.#pending = end === all.length ? NOTHING : Buffer.from(all.subarray(end));
    return all.toString("utf8", 0, end);
  }

  finish(): string {
    const rest = this.#pending.toString("utf8");
    this.#pending = NOTHING;
    return rest;
  }
}

function view(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/**
 * How many bytes at the end are an incomplete character that more bytes could complete: 0 to 3. The ranges of the second
 * byte are those of Unicode's table 3-7, so that bytes which can only become U+FFFD are not held back.
 */
export function incompleteBytes(bytes: Uint8Array): number {
  const length = bytes.length;
  for (let back = 1; back <= 3 && back <= length; back++) {
    const byte = bytes[length - back]!;
    if (byte >= 0x80 && byte <= 0xbf) continue;
    const needed = byte >= 0xc2 && byte <= 0xdf ? 2 : byte >= 0xe0 && byte <= 0xef ? 3 : 4;
    if (byte < 0xc2 || byte > 0xf4 || back >= needed) return 0;
    if (back === 1) return 1;
    const second = bytes[length - back + 1]!;
    const least = byte === 0xe0 ? 0xa0 : byte === 0xf0 ? 0x90 : 0x80;
    const greatest = byte === 0xed ? 0x9f : byte === 0xf4 ? 0x8f : 0xbf;
    return second >= least && second <= greatest ? back : 0;
  }
  return 0;
}
