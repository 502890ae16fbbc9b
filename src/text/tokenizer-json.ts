// Reads tokenizer.json and tokenizer_config.json: the vocabulary's ids, added tokens and special tokens.

import { MagdiError } from "../base/errors.ts";
import { isObject, type JsonObject } from "../base/files/json-file.ts";

/** Far above any vocabulary: tables are as long as the greatest id. */
const MAX_TOKEN_ID = 2 ** 24;

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
        `${origin}: model.vocab ${JSON.stringify(text)}: expected ${TOKEN_ID}, found ${JSON.stringify(id)}`,
      );
    }
    idOf.set(text, id);
  }
  return idOf;
}

export interface AddedToken {
  readonly content: string;
  readonly id: number;
  readonly special: boolean;
  /** Whether it is looked for in normalized text. */
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
  return list.map((token: unknown, index) => {
    if (!isObject(token) || typeof token.content !== "string" || !isTokenId(token.id)) {
      throw new MagdiError(
        "MAGDI_BAD_FILE",
        `${origin}: expected added_tokens[${index}] to have a content and ${TOKEN_ID}, found ${JSON.stringify(token)}`,
      );
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

/** The special tokens that tokenizer_config.json names: bos_token, eos_token, …, and additional_special_tokens. */
export function namedSpecialTokens(config: JsonObject): string[] {
  const names = ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];
  const additional = Array.isArray(config.additional_special_tokens) ? config.additional_special_tokens : [];
  return [...names.map((name) => config[name]), ...additional].flatMap((token: unknown) => {
    const text = specialTokenText(token);
    return text === null ? [] : [text];
  });
}

/** A special token in tokenizer_config.json: a string, or an object with `content`. */
export function specialTokenText(token: unknown): string | null {
  if (typeof token === "string") return token;
  return isObject(token) && typeof token.content === "string" ? token.content : null;
}
