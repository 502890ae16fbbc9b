// Reads tokenizer.json and tokenizer_config.json: the vocabulary's ids, added tokens and special tokens.

import { MagdiError } from "../base/errors.ts";
import { isObject, type JsonObject, shown } from "../base/files/json-file.ts";

/** Far above any vocabulary: tables are as long as the greatest id. */
const MAX_TOKEN_ID = 2 ** 24;
/** Each time that a student says a token, all of it is written. */
const MAX_TOKEN_CHARACTERS = 4096;
/** Each takes some hundred bytes for each of its characters. */
const MAX_ADDED_TOKENS = 2 ** 17;
/** They are searched for at every place of a text. */
const MAX_ADDED_CHARACTERS = 256;

const TOKEN_ID = `a whole id from 0 to ${MAX_TOKEN_ID}`;

function isTokenId(id: unknown): id is number {
  return typeof id === "number" && Number.isInteger(id) && id >= 0 && id <= MAX_TOKEN_ID;
}

/** tokenizer.json's model.vocab. @throws MAGDI_BAD_FILE naming the first token with an invalid id */
export function vocabularyIds(vocab: JsonObject, origin: string): Map<string, number> {
  const idOf = new Map<string, number>();
  for (const [text, id] of Object.entries(vocab)) {
    if (!isTokenId(id)) {
      throw new MagdiError(
        "MAGDI_BAD_FILE",
        `${origin}: model.vocab ${shown(text)}: expected ${TOKEN_ID}, found ${shown(id)}`,
      );
    }
    if (text.length > MAX_TOKEN_CHARACTERS)
      throw longToken("model.vocab", text, MAX_TOKEN_CHARACTERS, origin);
    idOf.set(text, id);
  }
  return idOf;
}

export interface AddedToken {
  readonly content: string;
  readonly id: number;
  readonly special: boolean;
  /** Whether it is looked for in normalized text, for which it is normalized too. */
  readonly normalized: boolean;
  /** Whether it takes the white space before or behind it with it. */
  readonly lstrip: boolean;
  readonly rstrip: boolean;
  /** Whether it is no token inside of a word. */
  readonly singleWord: boolean;
}

/** tokenizer.json's added_tokens. @throws MAGDI_BAD_FILE */
export function addedTokens(list: unknown, origin: string): AddedToken[] {
  if (list === undefined || list === null) return [];
  if (!Array.isArray(list)) {
    throw new MagdiError("MAGDI_BAD_FILE", `${origin}: expected added_tokens to be a list`);
  }
  if (list.length > MAX_ADDED_TOKENS) {
    throw new MagdiError(
      "MAGDI_UNSUPPORTED",
      `${origin}: expected at most ${MAX_ADDED_TOKENS} added_tokens, found ${list.length}`,
    );
  }
  return list.map((token: unknown, index) => {
    if (!isObject(token) || typeof token.content !== "string" || !isTokenId(token.id)) {
      throw new MagdiError(
        "MAGDI_BAD_FILE",
        `${origin}: expected added_tokens[${index}] to have a content and ${TOKEN_ID}, found ${shown(token)}`,
      );
    }
    if (token.content.length > MAX_ADDED_CHARACTERS) {
      throw longToken(`added_tokens[${index}]`, token.content, MAX_ADDED_CHARACTERS, origin);
    }
    const special = token.special === true;
    return {
      content: token.content,
      id: token.id,
      special,
      normalized: typeof token.normalized === "boolean" ? token.normalized : !special,
      lstrip: token.lstrip === true,
      rstrip: token.rstrip === true,
      singleWord: token.single_word === true,
    };
  });
}

function longToken(where: string, text: string, most: number, origin: string): MagdiError {
  return new MagdiError(
    "MAGDI_UNSUPPORTED",
    `${origin}: ${where}: expected tokens of at most ${most} characters, found one of ${text.length}: ${shown(text)}`,
  );
}

/** The special tokens that tokenizer_config.json names: bos_token, eos_token, …, a model's own, and lists of others. */
export function namedSpecialTokens(config: JsonObject): string[] {
  const lists = [config.additional_special_tokens, config.extra_special_tokens].flatMap((list) =>
    Array.isArray(list) ? list : [],
  );
  const others = lists.flatMap((token: unknown) => specialTokenText(token) ?? []);
  return [...new Set([...Object.values(specialTokenVariables(config)), ...others])];
}

/** In the order in which Transformers gives them ids where they have none. */
const USUAL_NAMES = ["bos", "eos", "unk", "sep", "pad", "cls", "mask"].map((name) => `${name}_token`);

/** Special tokens by name, as chat templates may use them: Transformers' special_tokens_map. */
export function specialTokenVariables(config: JsonObject): Record<string, string> {
  const usual = USUAL_NAMES.map((name) => [name, config[name]] as const);
  const own = Object.entries(config).filter(([name]) => name.endsWith("_token"));
  const named = [config.model_specific_special_tokens, config.extra_special_tokens].flatMap((tokens) =>
    isObject(tokens) ? Object.entries(tokens) : [],
  );
  return Object.fromEntries(
    [...usual, ...own, ...named].flatMap(([name, value]) => {
      const text = specialTokenText(value);
      return text === null ? [] : [[name, text] as const];
    }),
  );
}

/** A special token in tokenizer_config.json: a string, or an object with `content`. */
export function specialTokenText(token: unknown): string | null {
  if (typeof token === "string") return token;
  return isObject(token) && typeof token.content === "string" ? token.content : null;
}
