// The `decoder` of a tokenizer.json as the bytes of each token: a text is its tokens' bytes joined and read as UTF-8,
// without the leading spaces that the decoder strips.

import { MagdiError } from "../base/errors.ts";
import { shown } from "../base/files/json-file.ts";
import { bytesOfByteLevelText } from "./byte-level-alphabet.ts";

export interface TokenDecoder {
  /** The token's bytes, which do not depend on its neighbours. */
  bytesOf(text: string): Uint8Array;
  /** How many leading spaces are stripped from a text: SentencePiece puts one before every text. */
  readonly leadingSpaces: number;
}

export const DECODERS = ["ByteLevel", "Metaspace", "Replace", "ByteFallback", "Fuse", "Strip"] as const;

/** Published decoders have up to five steps, which replace a character with another. */
const MAX_STEPS = 64;
const MAX_REPLACED_CHARACTERS = 256;
/** Times as long as the token. */
const MAX_GROWTH = 16;

const BYTE_TOKEN = /^<0x([0-9A-Fa-f]{2})>$/;
const utf8 = new TextEncoder();

/**
 * Supports ByteLevel, Metaspace, and SentencePiece's sequence (Replace, ByteFallback, Fuse, Strip).
 * @throws MAGDI_UNSUPPORTED naming another decoder: a token's text would depend on its neighbours.
 */
export function readTokenDecoder(decoder: unknown, origin: string): TokenDecoder {
  const steps = flatten(decoder, origin);
  if (steps.length > MAX_STEPS) {
    throw unsupported(steps[0]!, `expected at most ${MAX_STEPS} steps, found ${steps.length}`, origin);
  }
  const toText: ((text: string) => string)[] = [];
  let byteLevel = false;
  let byteFallback = false;
  let fused = false;
  let leadingSpaces = 0;
  for (const step of steps) {
    switch (step.type) {
      case "ByteLevel":
        byteLevel = true;
        break;
      case "Replace":
        toText.push(replacement(step, origin));
        break;
      case "ByteFallback":
        byteFallback = true;
        break;
      case "Fuse":
        fused = true;
        break;
      case "Strip":
        if (!fused || step.content !== " " || (step.stop ?? 0) !== 0) {
          throw unsupported(step, "only leading spaces of the fused text can be stripped", origin);
        }
        leadingSpaces += Number(step.start ?? 0);
        break;
      case "Metaspace": {
        const mark = String(step.replacement ?? "▁");
        toText.push((text) => text.replaceAll(mark, " "));
        if (mark === "") throw unsupported(step, "expected a replacement of one character", origin);
        if (step.prepend_scheme !== "never" && step.add_prefix_space !== false) leadingSpaces += 1;
        break;
      }
      default:
        throw unsupported(step, `supported are ${DECODERS.join(", ")}`, origin);
    }
  }
  if (byteLevel && steps.length > 1) {
    throw unsupported(steps[0]!, "ByteLevel is supported alone, not together with others", origin);
  }
  return {
    leadingSpaces,
    bytesOf(text) {
      if (byteLevel) return bytesOfByteLevelText(text) ?? utf8.encode(text);
      // A token that would become far longer is written as far as it has come.
      const most = MAX_GROWTH * text.length;
      const plain = toText.reduce((current, step) => (current.length > most ? current : step(current)), text);
      const byte = byteFallback ? BYTE_TOKEN.exec(plain)?.[1] : undefined;
      return byte === undefined ? utf8.encode(plain) : Uint8Array.of(Number.parseInt(byte, 16));
    },
  };
}

type Step = Readonly<Record<string, unknown>> & { readonly type: string };

function flatten(decoder: unknown, origin: string): Step[] {
  if (typeof decoder !== "object" || decoder === null || !("type" in decoder)) {
    throw new MagdiError(
      "MAGDI_UNSUPPORTED",
      `${origin}: expected a decoder, found ${shown(decoder)}; without one the tokens have no defined text`,
    );
  }
  if (decoder.type === "Sequence" && "decoders" in decoder && Array.isArray(decoder.decoders)) {
    return decoder.decoders.flatMap((step: unknown) => flatten(step, origin));
  }
  return [{ ...decoder, type: String(decoder.type) }];
}

function replacement(step: Step, origin: string): (text: string) => string {
  const pattern = step.pattern;
  if (typeof pattern === "object" && pattern !== null && "String" in pattern) {
    const from = String(pattern.String);
    const to = String(step.content ?? "");
    if (from === "" || Math.max(from.length, to.length) > MAX_REPLACED_CHARACTERS) {
      throw unsupported(step, `expected texts of 1 to ${MAX_REPLACED_CHARACTERS} characters`, origin);
    }
    if (to.length > MAX_GROWTH * from.length) {
      throw unsupported(step, `expected a content at most ${MAX_GROWTH} times as long`, origin);
    }
    // A function, as a text would have its $& and $' expanded.
    return (text) => text.replaceAll(from, () => to);
  }
  throw unsupported(step, "Replace is supported with a String pattern", origin);
}

function unsupported(step: Step, why: string, origin: string): MagdiError {
  return new MagdiError("MAGDI_UNSUPPORTED", `${origin}: decoder ${shown(step)}: ${why}`);
}
