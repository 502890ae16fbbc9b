// A student's tokenizer: text to token ids and back, from a folder's tokenizer.json.

import { join } from "node:path";
import { Tokenizer as HuggingFaceTokenizer } from "@huggingface/tokenizers";
import { MagdiError } from "../base/errors.ts";
import { isObject, type JsonObject, readJsonObject, readJsonObjectIfThere } from "../base/files/json-file.ts";
import { TimeLimitError, withinTime } from "../base/time-limit.ts";
import { GrowthError, normalizedBy } from "./bounded-normalizer.ts";
import { byteOfCharacter } from "./byte-level-alphabet.ts";
import { BytePairEncoder } from "./byte-pair-encoder.ts";
import { libraryNormalizers } from "./library-normalizers.ts";
import { assertPatternsSound, unprovenPatterns } from "./pattern-check.ts";
import { createWordSplitter, preTokenizerSteps } from "./pre-tokenizers.ts";
import { SpecialTokenQuotes } from "./special-token-quotes.ts";
import { supportedNormalizers } from "./supported-tokenizer.ts";
import { createTextEncoder } from "./text-encoder.ts";
import { readTokenDecoder } from "./token-decoder.ts";
import { TokenLimit, TooManyTokensError } from "./token-limit.ts";
import { checkNormalizers, checkPostProcessor, checkPreTokenizers } from "./tokenizer-bounds.ts";
import { type AddedToken, addedTokens, namedSpecialTokens, vocabularyIds } from "./tokenizer-json.ts";

/** Texts up to this length are encoded in some ten milliseconds, so their tokens are always counted exactly. */
export const SHORT_TEXT_UNITS = 32_768;

/** For a text, and for each UTF-16 unit of it: some ten times what a sound tokenizer takes on a slow machine. */
const ENCODE_MS = 1000;
const ENCODE_UNIT_MS = 0.02;
/** Each takes the whole text. */
const FEW_NORMALIZERS = 8;

/** Added tokens that some files do not call special though chat templates mark turns with them. */
const TURN_MARK = /^<[|｜].*[|｜]>$|^<(?:start|end)_of_turn>$/s;

interface EncodeOptions {
  /** Whether the post-processor adds its tokens (BOS, EOS). False for a rendered chat, whose template wrote them. */
  readonly addSpecialTokens: boolean;
  /**
   * Stop encoding a long text as soon as it is certain to have more tokens than this. A text that exceeds it by few tokens
   * may still be encoded, and a short one always is. Default: no limit.
   */
  readonly atMost?: number;
  /** Whether the text has marks that `quoteSpecial` put there. Default false. */
  readonly quoted?: boolean;
}

export interface DecodeOptions {
  readonly skipSpecialTokens: boolean;
  /** True when the ids continue other text, so that SentencePiece's leading space stays. Default false. */
  readonly continuesText?: boolean;
}

/** Ids are those of tokenizer.json. Decoding never cleans up spaces: it joins the tokens' bytes and reads them as
 * UTF-8. */
export interface Tokenizer {
  /**
   * A special token's text inside `text` becomes that token, as in Transformers, vLLM and llama.cpp, unless it is quoted.
   * O(n log n), a second or two for 1 MB.
   * @throws TooManyTokensError for a long text of more than `atMost` tokens
   */
  encode(text: string, options: EncodeOptions): Int32Array;
  /**
   * `text` with a mark in place of each special token's text (and of each turn's mark, special or not), for untrusted
   * parts of a prompt that is encoded with `quoted`: there the text is tokenised like any other. Text without special tokens is given back as it is.
   */
  quoteSpecial(text: string): string;
  /** Bytes that are not UTF-8 become U+FFFD by the WHATWG rules; unknown ids are skipped. */
  decode(ids: ArrayLike<number>, options: DecodeOptions): string;
  /** The greatest id + 1. A model's embedding may be padded beyond it. */
  readonly vocabSize: number;
  /** The text of the token alone, special tokens included, an incomplete character as U+FFFD. Empty for an unknown id. */
  tokenText(id: number): string;
  /** The token's bytes, not to be modified. Empty for an unknown id. */
  tokenBytes(id: number): Uint8Array;
  readonly specialTokenIds: ReadonlySet<number>;
  /** The id of a token as the vocabulary writes it ("<|im_end|>", "Ġthe", "▁the"). */
  idOf(token: string): number | undefined;
  /** How many leading spaces decode strips from a text that does not continue another. */
  readonly leadingSpaces: number;
  /** What the post-processor puts before a text: BOS, or nothing. */
  readonly startTokenIds: readonly number[];
}

/**
 * Opens `folder`/tokenizer.json with `folder`/tokenizer_config.json, when that is there.
 * @example
 *   const tokenizer = await openTokenizer("models/smollm2-135m-instruct");
 *   tokenizer.decode(tokenizer.encode("Hello", { addSpecialTokens: false }), { skipSpecialTokens: true }); // "Hello"
 * @throws MAGDI_FILE_MISSING, MAGDI_BAD_FILE, MAGDI_UNSUPPORTED with the file's path
 */
export async function openTokenizer(folder: string): Promise<Tokenizer> {
  const path = join(folder, "tokenizer.json");
  const tokenizer = readJsonObject(path, "a tokenizer", { within: folder });
  const config = readJsonObjectIfThere(join(folder, "tokenizer_config.json"), { within: folder });
  return createCheckedTokenizer(tokenizer, config, path);
}

/** From the files' parsed content; `origin` is named in errors. @throws as openTokenizer */
export async function createCheckedTokenizer(
  definition: JsonObject,
  config: JsonObject,
  origin: string,
): Promise<Tokenizer> {
  await assertPatternsSound(definition, origin);
  return createTokenizer(definition, config, origin);
}

/** The same, without trying the tokenizer's regular expressions before they are used. */
export function createTokenizer(definition: JsonObject, config: JsonObject, origin: string): Tokenizer {
  const model = definition.model;
  if (!isObject(model) || !isObject(model.vocab)) {
    throw new MagdiError("MAGDI_BAD_FILE", `${origin}: expected model.vocab, an object from tokens to ids`);
  }
  if (!Array.isArray(model.merges) || (model.type !== undefined && model.type !== "BPE")) {
    throw new MagdiError(
      "MAGDI_UNSUPPORTED",
      `${origin}: expected a model of type BPE with merges, found type ${JSON.stringify(model.type)}`,
    );
  }
  const added = addedTokens(definition.added_tokens, origin);
  checkNormalizers(definition.normalizer, origin);
  checkPreTokenizers(preTokenizerSteps(definition.pre_tokenizer), origin);
  checkPostProcessor(definition.post_processor, origin);
  const normalizers = supportedNormalizers(definition, model, added, origin);
  const vocab = vocabularyIds(model.vocab, origin);
  const idOf = new Map(vocab);
  for (const token of added) idOf.set(token.content, token.id);
  let vocabSize = 0;
  for (const id of idOf.values()) vocabSize = Math.max(vocabSize, id + 1);
  const texts: (string | undefined)[] = new Array(vocabSize);
  for (const [text, id] of idOf) texts[id] = text;
  // If two tokens have one id, the added token is what the id decodes to.
  for (const token of added) texts[token.id] = token.content;

  const limit = new TokenLimit(idOf.keys());
  const inner = buildLibraryTokenizer(definition, normalizers, model, added, config, limit, origin);
  const decoder = readTokenDecoder(definition.decoder, origin);

  const encoder = new BytePairEncoder(idOf, texts, model.merges, origin);
  // The library's own merging takes seconds for a long word.
  inner.model.bpe = (word) => {
    limit.expectPieces(word);
    const pieces = encoder.split(word);
    limit.count(pieces.length);
    return pieces;
  };
  const countable = everyPieceIsToken(definition, model, idOf);

  const decodedAs = new Map(
    added.filter(({ normalized }) => normalized).map(({ id, content }) => [id, inner.normalizer?.(content)]),
  );
  const specialTokenIds = new Set(added.filter((token) => token.special).map((token) => token.id));
  for (const token of namedSpecialTokens(config)) {
    const id = idOf.get(token);
    if (id !== undefined) specialTokenIds.add(id);
  }
  const quotes = new SpecialTokenQuotes(
    added.filter(({ id, content }) => specialTokenIds.has(id) || TURN_MARK.test(content)),
    origin,
  );
  quotes.readIn(inner);
  const { unk_token: unknown } = model;
  const textIds = createTextEncoder(inner, added, {
    vocab,
    unknownId: typeof unknown === "string" ? (idOf.get(unknown) ?? null) : null,
    isComplete: countable,
    fuseUnknown: model.fuse_unk === true,
    byteFallback: model.byte_fallback === true,
    ignoreMerges: model.ignore_merges === true,
  });
  const around = idsAround(inner);
  const bytes: (Uint8Array | undefined)[] = new Array(vocabSize);
  const nothing = new Uint8Array(0);
  const tokenBytes = (id: number): Uint8Array => {
    const known = bytes[id];
    if (known !== undefined) return known;
    const text = texts[id];
    if (text === undefined) return nothing;
    const made = decoder.bytesOf(decodedAs.get(id) ?? text);
    bytes[id] = made;
    return made;
  };

  const isProven = unprovenPatterns(definition).length === 0 && normalizers.length <= FEW_NORMALIZERS;

  return {
    encode(text, options) {
      const { atMost = Number.POSITIVE_INFINITY, addSpecialTokens, quoted = false } = options;
      const most = countable && text.length > SHORT_TEXT_UNITS ? atMost : Number.POSITIVE_INFINITY;
      const limitMs = isProven ? null : ENCODE_MS + ENCODE_UNIT_MS * text.length;
      // The limits are set outside: code that is stopped does not tidy up.
      const ids = limit.during(most, () =>
        quotes.during(quoted, () => encodedWithin(limitMs, () => textIds(text))),
      );
      // The limit counts the pieces of words alone, and special tokens are none.
      if (ids.length > most) throw new TooManyTokensError(ids.length);
      return Int32Array.from(addSpecialTokens ? [...around.before, ...ids, ...around.behind] : ids);
    },
    quoteSpecial: (text) => quotes.quote(text),
    decode(ids, options) {
      const parts: Uint8Array[] = [];
      for (let i = 0; i < ids.length; i++) {
        const id = ids[i]!;
        if (!options.skipSpecialTokens || !specialTokenIds.has(id)) parts.push(tokenBytes(id));
      }
      let text = Buffer.concat(parts);
      let strip = options.continuesText ? 0 : decoder.leadingSpaces;
      for (; strip > 0 && text[0] === 0x20; strip--) text = text.subarray(1);
      return text.toString("utf8");
    },
    vocabSize,
    tokenText: (id) => Buffer.from(tokenBytes(id)).toString("utf8"),
    tokenBytes,
    specialTokenIds,
    idOf: (token) => idOf.get(token),
    leadingSpaces: decoder.leadingSpaces,
    startTokenIds: around.before,
  };
}

/** The part of the library's tokenizer in use: its own declarations do not resolve under Node's module resolution. */
interface LibraryTokenizer {
  readonly model: { bpe: (word: string) => readonly string[] };
  normalizer: ((text: string) => string) | null;
  pre_tokenizer:
    | (((text: string, options: { readonly isFirst: boolean }) => readonly string[]) & {
        tokenizers?: readonly { pattern?: RegExp }[];
      })
    | null;
  readonly post_processor: {
    post_process(
      tokens: string[],
      pair: null,
      addSpecialTokens: boolean,
    ): { readonly tokens: readonly string[] };
  } | null;
  token_to_id(token: string): number | undefined;
}

function buildLibraryTokenizer(
  tokenizer: JsonObject,
  steps: readonly JsonObject[],
  model: JsonObject,
  added: readonly AddedToken[],
  config: JsonObject,
  limit: TokenLimit,
  origin: string,
): LibraryTokenizer {
  const preTokenizers = preTokenizerSteps(tokenizer.pre_tokenizer);
  const definition = {
    ...tokenizer,
    added_tokens: tokenizer.added_tokens ?? added,
    normalizer: steps.length === 0 ? null : { type: "Sequence", normalizers: steps },
    pre_tokenizer: preTokenizers.length === 0 ? null : { type: "Sequence", pretokenizers: preTokenizers },
    post_processor: tokenizer.post_processor ?? null,
    // Its merging and decoding are not used, so it gets no decoder and no merges to index.
    decoder: null,
    model: { ...model, type: "BPE", merges: [] },
  };
  try {
    const normalizers = libraryNormalizers(steps);
    // The library normalizes added tokens without a bound.
    for (const { content, normalized } of added) if (normalized) normalizedBy(normalizers, content);
    // It looks for each of the additional special tokens in a list, and has no use for them here.
    const inner: LibraryTokenizer = new HuggingFaceTokenizer(definition, {
      ...config,
      additional_special_tokens: [],
    });
    if (inner.normalizer !== null) inner.normalizer = (text) => normalizedBy(normalizers, text);
    const patterns = inner.pre_tokenizer?.tokenizers?.map((step) => step.pattern) ?? [];
    const splitWords = createWordSplitter(preTokenizers, patterns);
    // A text has at least as many bytes as UTF-16 units; other steps may remove some.
    const countable =
      preTokenizers.at(-1)?.type === "ByteLevel" &&
      preTokenizers.every((step) => step.behavior !== "Removed");
    if (preTokenizers.length > 0) {
      inner.pre_tokenizer = (text, { isFirst }) => {
        if (countable) limit.expectPieces(text);
        const words = splitWords(text, limit.left, isFirst);
        limit.expect(words.length);
        return words;
      };
    }
    return inner;
  } catch (cause) {
    const reason = cause instanceof GrowthError ? cause.message : String(cause);
    throw new MagdiError("MAGDI_UNSUPPORTED", `${origin}: ${reason}`, { cause });
  }
}

/** @throws MAGDI_BAD_REQUEST when the tokenizer takes far too long over the text, or makes it far longer */
function encodedWithin(limitMs: number | null, encode: () => readonly number[]): readonly number[] {
  try {
    return limitMs === null ? encode() : withinTime(limitMs, encode);
  } catch (cause) {
    if (!(cause instanceof TimeLimitError || cause instanceof GrowthError)) throw cause;
    const message = `the student's tokenizer cannot take this text: ${cause.message}`;
    throw new MagdiError("MAGDI_BAD_REQUEST", message, { cause });
  }
}

/** Whether every piece becomes a token: there is an unknown token, or the vocabulary has all bytes. */
function everyPieceIsToken(
  tokenizer: JsonObject,
  model: JsonObject,
  idOf: ReadonlyMap<string, number>,
): boolean {
  if (typeof model.unk_token === "string") return true;
  const bytesOnly = preTokenizerSteps(tokenizer.pre_tokenizer).at(-1)?.type === "ByteLevel";
  return bytesOnly && [...byteOfCharacter.keys()].every((character) => idOf.has(character));
}

/** What the post-processor puts before and behind a text. */
function idsAround(inner: LibraryTokenizer): {
  readonly before: readonly number[];
  readonly behind: readonly number[];
} {
  const text = ""; // no token is empty
  const tokens = inner.post_processor?.post_process([text], null, true).tokens ?? [text];
  const ids = (part: readonly string[]) => part.map((token) => inner.token_to_id(token) ?? 0);
  const at = tokens.indexOf(text);
  return { before: ids(tokens.slice(0, at)), behind: ids(tokens.slice(at + 1)) };
}
