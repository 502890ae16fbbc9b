// Cuts the tokenizer files of a Hugging Face folder down to the tokens that texts need, and renumbers what is left.

import { MagdiError } from "../base/errors.ts";
import { isObject, type JsonObject, parseJson } from "../base/files/json-file.ts";
import { byteOfCharacter } from "./byte-level-alphabet.ts";
import { mergePair } from "./byte-pair-encoder.ts";
import { keptTokens } from "./kept-tokens.ts";
import { preTokenizerSteps } from "./pre-tokenizers.ts";
import { byteToken } from "./text-encoder.ts";
import { createTokenizer, type Tokenizer } from "./tokenizer.ts";
import { addedTokens, namedSpecialTokens, vocabularyIds } from "./tokenizer-json.ts";

export interface CutOptions {
  /** The texts whose tokens are kept. */
  readonly texts: AsyncIterable<string> | Iterable<string>;
  /** Texts whose tokens are kept even if others are more frequent. */
  readonly always: (tokenizer: Tokenizer) => Iterable<Int32Array>;
  /** Ids that other files name. */
  readonly namedIds: ReadonlySet<number>;
  /** How many tokens to keep at most; null: what the texts need. */
  readonly size: number | null;
}

export interface CutTokenizer {
  /** File name → content. */
  readonly files: ReadonlyMap<string, string>;
  /** The old id of each new one, ascending. */
  readonly keptIds: Int32Array;
  /** How many of the texts' tokens are kept, and of how many. */
  readonly textTokens: { readonly kept: number; readonly all: number };
}

/**
 * All bytes, special tokens and other added tokens stay, so that every text can be written as before.
 * @throws MAGDI_UNSUPPORTED naming a model that has not all bytes, MAGDI_BAD_CONFIG when `size` is too small
 */
export async function cutTokenizer(
  files: ReadonlyMap<string, string>,
  origin: string,
  options: CutOptions,
): Promise<CutTokenizer> {
  const definition = parsed(files, "tokenizer.json", origin);
  const config = parsed(files, "tokenizer_config.json", origin);
  const where = `${origin}: tokenizer.json`;
  const tokenizer = createTokenizer(definition, config, where);
  const model = definition.model as JsonObject; // createTokenizer checked it
  const merges = model.merges as readonly unknown[]; // likewise
  const idOf = vocabularyIds(model.vocab as JsonObject, where); // likewise
  const added = addedTokens(definition.added_tokens, where);
  const counts = await tokenCounts(tokenizer, options.texts);
  if (counts.size === 0) {
    throw new MagdiError("MAGDI_BAD_CONFIG", "--vocabulary: expected texts to choose tokens by, found none");
  }
  const required = new Set([
    ...byteIds(definition, model, idOf, where),
    ...added.map(({ id }) => id),
    ...[...namedSpecialTokens(config), ...namedTexts(definition, model)].flatMap(
      (token) => tokenizer.idOf(token) ?? [],
    ),
    ...options.namedIds,
  ]);
  renumberedPostProcessor(definition.post_processor, where, (id) => {
    required.add(id);
    return id;
  });
  for (const ids of options.always(tokenizer)) for (const id of ids) required.add(id);
  for (const { content, id } of added) idOf.set(content, id);
  const { ids, least } = keptTokens({ idOf, merges, required, counts, size: options.size, origin: where });
  if (options.size !== null && options.size < least) {
    throw new MagdiError(
      "MAGDI_BAD_CONFIG",
      `--vocabulary-size: expected at least ${least} for ${origin} (all bytes, its special tokens and what every prompt says), found ${options.size}`,
    );
  }
  const newIdOf = new Map([...ids].map((old, id) => [old, id]));
  const renumbered = (id: number): number => newIdOf.get(id) ?? id;
  const isKept = (text: string): boolean => newIdOf.has(idOf.get(text) ?? -1);
  const cut = {
    ...definition,
    added_tokens: Array.isArray(definition.added_tokens)
      ? definition.added_tokens.map((token: JsonObject) => ({ ...token, id: renumbered(Number(token.id)) }))
      : definition.added_tokens,
    post_processor: renumberedPostProcessor(definition.post_processor, where, renumbered),
    padding: isObject(definition.padding)
      ? { ...definition.padding, pad_id: tokenOfPadding(definition.padding, tokenizer, renumbered) }
      : (definition.padding ?? null),
    model: {
      ...model,
      vocab: Object.fromEntries(
        Object.entries(model.vocab as JsonObject) // createTokenizer checked it
          .filter(([, id]) => newIdOf.has(Number(id)))
          .sort(([, a], [, b]) => Number(a) - Number(b))
          .map(([text, id]) => [text, renumbered(Number(id))]),
      ),
      merges: merges.filter((merge, rank) => {
        const [left, right] = mergePair(merge, rank, where);
        return isKept(left) && isKept(right) && isKept(left + right);
      }),
    },
  };
  const written = new Map(files).set("tokenizer.json", JSON.stringify(cut));
  if (files.has("tokenizer_config.json")) {
    written.set("tokenizer_config.json", `${JSON.stringify(renumberedConfig(config, newIdOf), null, 2)}\n`);
  }
  if (files.has("added_tokens.json")) {
    const entries = Object.entries(parsed(files, "added_tokens.json", origin));
    const there = entries.filter(([, id]) => newIdOf.has(Number(id)));
    const ids = Object.fromEntries(there.map(([text, id]) => [text, renumbered(Number(id))]));
    written.set("added_tokens.json", `${JSON.stringify(ids, null, 2)}\n`);
  }
  let all = 0;
  let kept = 0;
  for (const [id, count] of counts) {
    all += count;
    if (newIdOf.has(id)) kept += count;
  }
  return { files: written, keptIds: ids, textTokens: { kept, all } };
}

function parsed(files: ReadonlyMap<string, string>, name: string, origin: string): JsonObject {
  const text = files.get(name);
  if (text === undefined && name !== "tokenizer.json") return {};
  const json = parseJson(text ?? "null", `${origin}: ${name}`, "a JSON object");
  if (isObject(json)) return json;
  throw new MagdiError("MAGDI_BAD_FILE", `${origin}: ${name}: expected a JSON object`);
}

/** Texts are encoded in pieces of about this many characters: a file may be long. */
const PIECE_CHARACTERS = 2 ** 18;

async function tokenCounts(
  tokenizer: Tokenizer,
  texts: CutOptions["texts"],
): Promise<ReadonlyMap<number, number>> {
  const counts = new Map<number, number>();
  for await (const text of texts) {
    for (let start = 0; start < text.length; ) {
      const line = text.indexOf("\n", start + PIECE_CHARACTERS);
      const end = line < 0 ? text.length : line + 1;
      const ids = tokenizer.encode(text.slice(start, end), { addSpecialTokens: false });
      for (const id of ids) counts.set(id, (counts.get(id) ?? 0) + 1);
      start = end;
    }
  }
  return counts;
}

/** Bytes that no UTF-8 text has. */
const isNeverInUtf8 = (byte: number): boolean => byte === 0xc0 || byte === 0xc1 || byte > 0xf4;

/** The tokens of all bytes. @throws MAGDI_UNSUPPORTED when the model lacks any: not every text could be written. */
function byteIds(
  definition: JsonObject,
  model: JsonObject,
  idOf: ReadonlyMap<string, number>,
  where: string,
): number[] {
  const steps = preTokenizerSteps(definition.pre_tokenizer);
  const byteLevel = steps.some((step) => step.type === "ByteLevel");
  if (!byteLevel && model.byte_fallback !== true) {
    throw new MagdiError(
      "MAGDI_UNSUPPORTED",
      `${where}: a vocabulary can be cut that has all bytes (a ByteLevel pre-tokenizer, or byte_fallback), found pre_tokenizer ${steps.map(({ type }) => String(type)).join(", ") || "null"} and byte_fallback ${JSON.stringify(model.byte_fallback ?? false)}`,
    );
  }
  const bytes = byteLevel
    ? [...byteOfCharacter]
    : Array.from({ length: 256 }, (_, byte) => [byteToken(byte), byte] as const);
  return bytes.flatMap(([text, byte]) => {
    const id = idOf.get(text);
    if (id !== undefined) return [id];
    if (byteLevel && isNeverInUtf8(byte)) return [];
    throw new MagdiError(
      "MAGDI_UNSUPPORTED",
      `${where}: expected a vocabulary with all bytes, found none for byte ${byte} (${JSON.stringify(text)}); such a vocabulary cannot be cut`,
    );
  });
}

/** Tokens that tokenizer.json names by their text. */
function namedTexts(definition: JsonObject, model: JsonObject): string[] {
  const padding = isObject(definition.padding) ? definition.padding.pad_token : null;
  return [model.unk_token, padding].filter((text): text is string => typeof text === "string");
}

function tokenOfPadding(
  padding: JsonObject,
  tokenizer: Tokenizer,
  renumbered: (id: number) => number,
): unknown {
  const id = typeof padding.pad_token === "string" ? tokenizer.idOf(padding.pad_token) : undefined;
  return id === undefined ? padding.pad_id : renumbered(id);
}

/** @throws MAGDI_UNSUPPORTED naming a post-processor that may hold ids in a way that is not known */
function renumberedPostProcessor(step: unknown, where: string, renumbered: (id: number) => number): unknown {
  if (!isObject(step)) return step ?? null;
  const idsOf = (ids: unknown): unknown =>
    Array.isArray(ids) ? ids.map((id) => renumbered(Number(id))) : ids;
  switch (step.type) {
    case "ByteLevel":
      return step;
    case "Sequence":
      return {
        ...step,
        processors: Array.isArray(step.processors)
          ? step.processors.map((each) => renumberedPostProcessor(each, where, renumbered))
          : step.processors,
      };
    case "BertProcessing":
    case "RobertaProcessing": {
      const pair = (token: unknown): unknown =>
        Array.isArray(token) ? [token[0], renumbered(Number(token[1]))] : token;
      return { ...step, sep: pair(step.sep), cls: pair(step.cls) };
    }
    case "TemplateProcessing": {
      const tokens = Object.entries(isObject(step.special_tokens) ? step.special_tokens : {});
      return {
        ...step,
        special_tokens: Object.fromEntries(
          tokens.map(([name, token]) => [
            name,
            isObject(token) ? { ...token, ids: idsOf(token.ids) } : token,
          ]),
        ),
      };
    }
    default:
      throw new MagdiError(
        "MAGDI_UNSUPPORTED",
        `${where}: post_processor ${JSON.stringify(step.type)}: its ids cannot be renumbered for a cut vocabulary`,
      );
  }
}

function renumberedConfig(config: JsonObject, newIdOf: ReadonlyMap<number, number>): JsonObject {
  if (!isObject(config.added_tokens_decoder)) return config;
  const decoder = Object.entries(config.added_tokens_decoder).flatMap(([id, token]) => {
    const renumbered = newIdOf.get(Number(id));
    return renumbered === undefined ? [] : [[String(renumbered), token] as const];
  });
  return { ...config, added_tokens_decoder: Object.fromEntries(decoder) };
}
