// Opens a base model's tokenizer and chat template before it is imported: what cannot be used, or would not end, is refused
// by name.

import { MagdiError } from "../base/errors.ts";
import { isObject, type JsonObject, parseJson } from "../base/files/json-file.ts";
import { createChatTemplate, createConfiguredTemplate } from "../text/chat-template.ts";
import { createCheckedTokenizer } from "../text/tokenizer.ts";
import type { BaseModel } from "./base-model.ts";

/** @throws MAGDI_BAD_FILE, MAGDI_UNSUPPORTED naming the source, the file and the part of it */
export async function assertTextsUsable({ source, textFiles }: BaseModel): Promise<void> {
  const where = (name: string): string => `${source}: ${name}`;
  const parsed = (name: string): JsonObject | null => {
    const text = textFiles.get(name);
    if (text === undefined) return null;
    const json = parseJson(text, where(name));
    if (isObject(json)) return json;
    throw new MagdiError("MAGDI_BAD_FILE", `${where(name)}: expected a JSON object, found other JSON`);
  };
  const config = parsed("tokenizer_config.json") ?? {};
  const tokenizer = parsed("tokenizer.json");
  if (tokenizer !== null) await createCheckedTokenizer(tokenizer, config, where("tokenizer.json"));
  const template = textFiles.get("chat_template.jinja");
  if (template !== undefined) createChatTemplate(template, config, where("chat_template.jinja"));
  else createConfiguredTemplate(config, where("tokenizer_config.json"));
}
