// Opens a base model's tokenizer and chat template before it is imported: what cannot be used, or would not end, is refused
// by name.

import { MagdiError } from "../base/errors.ts";
import { isObject, type JsonObject, parseJson } from "../base/files/json-file.ts";
import { unknownFieldsNote } from "../base/known-fields.ts";
import { chatTemplateOf } from "../text/chat-template.ts";
import { unknownTokenizerFields } from "../text/supported-tokenizer.ts";
import { assertPromptsHaveRows, rowlessNote } from "../text/token-rows.ts";
import { createCheckedTokenizer } from "../text/tokenizer.ts";
import type { BaseModel } from "./base-model.ts";
import { checkEndTokens } from "./end-tokens.ts";

/** Notes on fields that are not known, and on tokens that the model has no embedding of.
 * @throws MAGDI_BAD_FILE, MAGDI_UNSUPPORTED naming the source, the file and the part of it */
export async function checkTexts(base: BaseModel): Promise<readonly string[]> {
  const {
    source,
    textFiles,
    config: { vocabSize },
  } = base;
  const notes = checkEndTokens(base);
  const where = (name: string): string => `${source}: ${name}`;
  const parsed = (name: string): JsonObject | null => {
    const text = textFiles.get(name);
    if (text === undefined) return null;
    const json = parseJson(text, where(name));
    if (isObject(json)) return json;
    throw new MagdiError("MAGDI_BAD_FILE", `${where(name)}: expected a JSON object, found other JSON`);
  };
  const config = parsed("tokenizer_config.json") ?? {};
  const json = parsed("tokenizer.json");
  const chatTemplate = chatTemplateOf(textFiles, source);
  if (json === null) return notes;
  const tokenizer = await createCheckedTokenizer(json, config, where("tokenizer.json"));
  assertPromptsHaveRows({ tokenizer, chatTemplate }, vocabSize, source);
  const rowless = rowlessNote(tokenizer, vocabSize);
  return [
    ...notes,
    ...unknownFieldsNote("tokenizer.json", unknownTokenizerFields(json)),
    ...(rowless === null ? [] : [rowless]),
  ];
}
