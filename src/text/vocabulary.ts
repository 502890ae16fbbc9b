// The tokens of a tokenizer.json with their ids. It knows neither merges nor what a token means.

import { MagdiError } from "../base/errors.ts";
import type { JsonObject } from "../base/files/json-file.ts";

/** Far above any vocabulary: tables are as long as the greatest id. */
const GREATEST_ID = 2 ** 24;

export const TOKEN_ID = `a whole id from 0 to ${GREATEST_ID}`;

export function isTokenId(id: unknown): id is number {
  return typeof id === "number" && Number.isInteger(id) && id >= 0 && id <= GREATEST_ID;
}

/** model.vocab. @throws MAGDI_BAD_FILE naming the first token whose id is none */
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
