// Tokens that an embedding has no row for: which a tokenizer has, which every prompt needs, and a tokenizer that names them
// instead of giving an id that a model would die on.

import { MagdiError } from "../base/errors.ts";
import { shown } from "../base/files/json-file.ts";
import type { ChatSpeaker } from "./chat-prompt.ts";
import { samplePrompts } from "./sample-prompts.ts";
import type { Tokenizer } from "./tokenizer.ts";

const MOST_NAMED = 5;

/** `"<tool>" (602)` */
const named = (tokenizer: Tokenizer, id: number): string => `${shown(tokenizer.tokenText(id))} (${id})`;

/** A sentence that names a tokenizer's tokens beyond the `rows` of an embedding, or null. */
export function rowlessNote(tokenizer: Tokenizer, rows: number): string | null {
  const rowless: number[] = [];
  for (let id = rows; id < tokenizer.vocabSize; id++) {
    if (tokenizer.tokenBytes(id).length > 0) rowless.push(id);
  }
  if (rowless.length === 0) return null;
  const list = rowless.slice(0, MOST_NAMED).map((id) => named(tokenizer, id));
  const more = rowless.length > MOST_NAMED ? ` and ${rowless.length - MOST_NAMED} more` : "";
  return `The tokenizer has tokens without a row in the embedding, which has ${rows}: ${list.join(", ")}${more}; texts with one of them are refused.`;
}

/** @throws MAGDI_BAD_FILE naming a token without a row that a chat template, or what the tokenizer puts around texts, has in
 * every prompt; `origin` is the model */
export function assertPromptsHaveRows(speaker: ChatSpeaker, rows: number, origin: string): void {
  const { tokenizer, chatTemplate } = speaker;
  if (tokenizer.vocabSize <= rows) return;
  const beyond = (ids: Int32Array): number | undefined => ids.find((id) => id >= rows);
  const around = beyond(tokenizer.encode("", { addSpecialTokens: true }));
  const content = "Hello";
  const words = new Set(tokenizer.encode(content, { addSpecialTokens: false }));
  const [written] =
    chatTemplate.source === null
      ? []
      : samplePrompts(speaker, content).flatMap((ids) => beyond(ids.filter((id) => !words.has(id))) ?? []);
  const [id, what] =
    around === undefined
      ? [written, "its chat template writes"]
      : [around, "its tokenizer puts around texts"];
  if (id === undefined) return;
  throw new MagdiError(
    "MAGDI_BAD_FILE",
    `${origin}: expected a row of the embedding, which has ${rows}, for each token of a prompt, found none for ${named(tokenizer, id)}, which ${what}; correct it, or use a checkpoint with that token`,
  );
}

/** The same tokenizer, whose `encode` throws MAGDI_BAD_FILE naming the first token without a row. */
export function withinRows(tokenizer: Tokenizer, rows: number): Tokenizer {
  if (tokenizer.vocabSize <= rows) return tokenizer;
  return {
    ...tokenizer,
    encode(text, options) {
      const ids = tokenizer.encode(text, options);
      const id = ids.find((one) => one >= rows);
      if (id === undefined) return ids;
      throw new MagdiError(
        "MAGDI_BAD_FILE",
        `expected texts whose tokens have a row in the embedding, which has ${rows}, found the token ${named(tokenizer, id)}; take it out, or train from a base with that token`,
      );
    },
  };
}
