// The tokens that a tokenizer's files name beside its vocabulary's words: what is added to it, and what is special.

import { MagdiError } from "../base/errors.ts";
import { isObject, type JsonObject } from "../base/files/json-file.ts";
import { isTokenId, TOKEN_ID } from "./vocabulary.ts";

export interface AddedToken {
  readonly content: string;
  readonly id: number;
  readonly special: boolean;
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
    return { content: token.content, id: token.id, special: token.special === true };
  });
}

/** bos_token, eos_token, …, each a string or an object with `content`, and the additional ones. */
export function namedSpecialTokens(config: JsonObject): string[] {
  const names = ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];
  const additional = Array.isArray(config.additional_special_tokens) ? config.additional_special_tokens : [];
  return [...names.map((name) => config[name]), ...additional].flatMap((token: unknown) => {
    const text = specialTokenText(token);
    return text === null ? [] : [text];
  });
}

/** A special token as tokenizer_config.json writes it. */
export function specialTokenText(token: unknown): string | null {
  if (typeof token === "string") return token;
  return isObject(token) && typeof token.content === "string" ? token.content : null;
}
