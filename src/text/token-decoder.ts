// The `decoder` of a tokenizer.json as the bytes of each token: a text is its tokens' bytes joined and read as UTF-8,
// without the leading spaces that the decoder strips.

import { MagdiError } from "../base/errors.ts";
import { bytesOfByteLevelText } from "./byte-level-alphabet.ts";

export interface TokenDecoder {
  /** The token's bytes, which do not depend on its neighbours. */
  bytesOf(text: string): Uint8Array;
  /** How many leading spaces are stripped from a text: SentencePiece puts one before every text. */
  readonly leadingSpaces: number;
}

const BYTE_TOKEN = /^<0x([0-9A-Fa-f]{2})>$/;
const utf8 = new TextEncoder();

/**
 * Supports ByteLevel, Metaspace, and SentencePiece's sequence (Replace, ByteFallback, Fuse, Strip).
 * @throws MAGDI_UNSUPPORTED naming another decoder: a token's text would depend on its neighbours.
 */
export function readTokenDecoder(decoder: unknown, origin: string): TokenDecoder {
  const steps = flatten(decoder, origin);
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
        if (step.prepend_scheme !== "never" && step.add_prefix_space !== false) leadingSpaces += 1;
        break;
      }
      default:
        throw unsupported(
          step,
          "supported are ByteLevel, Metaspace, Replace, ByteFallback, Fuse, Strip",
          origin,
        );
    }
  }
  if (byteLevel && steps.length > 1) {
    throw unsupported(steps[0]!, "ByteLevel is supported alone, not together with others", origin);
  }
  return {
    leadingSpaces,
    bytesOf(text) {
      if (byteLevel) return bytesOfByteLevelText(text) ?? utf8.encode(text);
      const plain = toText.reduce((current, step) => step(current), text);
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
      `${origin}: expected a decoder, found ${JSON.stringify(decoder)}; without one the tokens have no defined text`,
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
    return (text) => text.replaceAll(from, to);
  }
  throw unsupported(step, "Replace is supported with a String pattern", origin);
}

function unsupported(step: Step, why: string, origin: string): MagdiError {
  return new MagdiError("MAGDI_UNSUPPORTED", `${origin}: decoder ${JSON.stringify(step)}: ${why}`);
}
