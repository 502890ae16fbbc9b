// What an adapter's folder has besides the adapter: a tokenizer, a chat template, a generation_config.json, as TRL and axolotl
// save them. They come before the base's, as AutoTokenizer and GenerationConfig read the adapter's folder.

import { existsSync } from "node:fs";
import path from "node:path";
import { MagdiError } from "../../base/errors.ts";
import { isObject, type JsonObject, parseJson, readJsonObjectIfThere } from "../../base/files/json-file.ts";
import type { BaseModel } from "../../student/base-model.ts";
import { endTokens } from "../../student/end-tokens.ts";
import { readTokenizerFiles } from "../../student/hugging-face-base.ts";

const TOKENIZER = "tokenizer.json";
const TOKENIZER_CONFIG = "tokenizer_config.json";
const TEMPLATE = "chat_template.jinja";
const GENERATION = "generation_config.json";
/** Tokenizers in forms that are not read. */
const OTHER_TOKENIZERS = ["tokenizer.model", "vocab.json", "spiece.model"];

/** The base with the adapter's own texts, and notes that say which. Closing it closes `base`.
 * @throws MAGDI_BAD_FILE for files that are not JSON, MAGDI_UNSUPPORTED for a tokenizer in another form than tokenizer.json */
export function withAdapterTexts(base: BaseModel, folder: string): BaseModel {
  const own = readTokenizerFiles(folder);
  const generation = path.join(folder, GENERATION);
  const hasGeneration = existsSync(generation);
  const hasTokenizer = own.has(TOKENIZER);
  assertReadable(folder, own);
  const template = own.get(TEMPLATE);
  const textFiles = hasTokenizer
    ? own
    : new Map([...base.textFiles, ...(template === undefined ? [] : withTemplate(base, template))]);
  const generationConfig = hasGeneration
    ? readJsonObjectIfThere(generation, { within: folder })
    : base.generationConfig;
  const whole = { ...base, textFiles, generationConfig, close: () => base.close() };
  const taken = [
    ...(hasTokenizer && differs(base, own, TOKENIZER) ? ["tokenizer"] : []),
    ...(templateOf(textFiles) === templateOf(base.textFiles) ? [] : ["chat template"]),
    ...(hasGeneration && JSON.stringify(generationConfig) !== JSON.stringify(base.generationConfig)
      ? [GENERATION]
      : []),
  ];
  const notes = taken.length === 0 ? [] : [`The adapter's own ${taken.join(" and ")} took the base's place.`];
  if (hasTokenizer && templateOf(own) === null && templateOf(base.textFiles) !== null) {
    notes.push("The adapter's own tokenizer has no chat template, so prompts are plain text.");
  }
  const unused = hasTokenizer ? unusedEndToken(whole, base) : null;
  if (unused !== null) {
    notes.push(
      `The adapter's tokenizer ends texts with ${unused}, which is not among the eos_token_id of its ${GENERATION} or the base's: answers do not end there.`,
    );
  }
  return { ...whole, notes: [...(base.notes ?? []), ...notes] };
}

function assertReadable(folder: string, own: ReadonlyMap<string, string>): void {
  if (own.has(TOKENIZER)) return;
  const others = OTHER_TOKENIZERS.filter((name) => existsSync(path.join(folder, name)));
  const found = [...others, ...[...own.keys()].filter((name) => name !== TEMPLATE)];
  if (found.length === 0) return;
  throw new MagdiError(
    "MAGDI_UNSUPPORTED",
    `${folder}: the adapter has a tokenizer of its own (${found.join(", ")}) and no ${TOKENIZER}; save one there with AutoTokenizer.from_pretrained(…).save_pretrained(…), or take these files away for the base's tokenizer`,
  );
}

/** The template where it is looked for: in its own file, and in tokenizer_config.json for transformers.js. */
function withTemplate({ textFiles, source }: BaseModel, template: string): [name: string, text: string][] {
  const config = parsedObject(textFiles.get(TOKENIZER_CONFIG) ?? "{}", `${source}: ${TOKENIZER_CONFIG}`);
  const changed = { ...config, chat_template: template };
  return [
    [TEMPLATE, template],
    [TOKENIZER_CONFIG, `${JSON.stringify(changed, null, 2)}\n`],
  ];
}

function parsedObject(text: string | undefined, where: string): JsonObject {
  const json = text === undefined ? {} : parseJson(text, where);
  return isObject(json) ? json : {};
}

const differs = (base: BaseModel, own: ReadonlyMap<string, string>, name: string): boolean =>
  JSON.stringify(parsedObject(own.get(name), name)) !==
  JSON.stringify(parsedObject(base.textFiles.get(name), name));

/** As text; null when there is none. */
function templateOf(files: ReadonlyMap<string, string>): string | null {
  const { chat_template: configured } = parsedObject(files.get(TOKENIZER_CONFIG), TOKENIZER_CONFIG);
  const template = files.get(TEMPLATE) ?? configured ?? null;
  return typeof template === "string" || template === null ? template : JSON.stringify(template);
}

/** The adapter's eos_token when it is another than the base's and no answer ends with it; else null. */
function unusedEndToken(whole: BaseModel, base: BaseModel): string | null {
  const [own, bases] = [whole, base].map(({ textFiles }) => endTextOf(textFiles));
  if (own === undefined || own === null || own === bases) return null;
  const { added_tokens: added, model } = parsedObject(whole.textFiles.get(TOKENIZER), TOKENIZER);
  const tokens: unknown[] = Array.isArray(added) ? added : [];
  const token = tokens.find((one) => isObject(one) && one.content === own);
  const vocabulary = isObject(model) && isObject(model.vocab) ? model.vocab : {};
  const id = isObject(token) ? token.id : vocabulary[own];
  const ends = endTokens(whole.generationConfig, whole.configJson, whole.config.vocabSize);
  return typeof id === "number" && !ends.has(id) ? `${own} (${id})` : null;
}

function endTextOf(files: ReadonlyMap<string, string>): string | null {
  const { eos_token: token } = parsedObject(files.get(TOKENIZER_CONFIG), TOKENIZER_CONFIG);
  if (isObject(token)) return typeof token.content === "string" ? token.content : null;
  return typeof token === "string" ? token : null;
}
