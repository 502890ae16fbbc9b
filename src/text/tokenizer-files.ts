// Puts together what a Hugging Face folder's tokenizer files say, as Transformers 5 does: special_tokens_map.json and the added
// tokens of tokenizer_config.json and added_tokens.json go into tokenizer_config.json and tokenizer.json, which other
// readers look at alone.

import { isObject, type JsonObject, parseJson } from "../base/files/json-file.ts";
import { namedSpecialTokens } from "./tokenizer-json.ts";

interface Token extends JsonObject {
  readonly content: string;
}

/** The files, of which tokenizer_config.json and tokenizer.json may be changed. Whoever opens a tokenizer checks them. */
export function resolvedTokenizerFiles(
  files: ReadonlyMap<string, string>,
  config: JsonObject,
): Map<string, string> {
  const result = new Map(files);
  const tokenizer = parsed(files.get("tokenizer.json"));
  if (tokenizer === null) return result;
  const named = isObject(config.added_tokens_decoder)
    ? config
    : withSpecialTokensMap(config, parsed(files.get("special_tokens_map.json")) ?? {});
  // Transformers.js cleans up spaces by default, which streaming could not reproduce, and it reads the template here only.
  const template = files.get("chat_template.jinja") ?? named.chat_template;
  const aligned = {
    ...named,
    clean_up_tokenization_spaces: false,
    ...(template === undefined ? {} : { chat_template: template }),
  };
  result.set("tokenizer_config.json", `${JSON.stringify(aligned, null, 2)}\n`);
  const added = withAddedTokens(tokenizer, aligned, parsed(files.get("added_tokens.json")) ?? {});
  if (added !== null) result.set("tokenizer.json", JSON.stringify({ ...tokenizer, added_tokens: added }));
  return result;
}

/** The map's entries come over the configuration's; of lists, all tokens. */
function withSpecialTokensMap(config: JsonObject, map: JsonObject): JsonObject {
  const extra = "extra_special_tokens";
  const [ours, theirs] = [config[extra], map[extra]];
  const both = Array.isArray(ours) && Array.isArray(theirs) ? [...new Set([...ours, ...theirs])] : null;
  return { ...config, ...map, ...(both === null ? {} : { [extra]: both }) };
}

/**
 * The added tokens with those that only the other files have, and with the other files' flags; null when nothing changes. Ids
 * are what the tokenizers library gives: the vocabulary's, or the next ones.
 */
function withAddedTokens(tokenizer: JsonObject, config: JsonObject, encoder: JsonObject): unknown[] | null {
  const vocab = isObject(tokenizer.model) ? tokenizer.model.vocab : null;
  const own: unknown = tokenizer.added_tokens ?? [];
  if (!isObject(vocab) || !Array.isArray(own) || !own.every(isToken)) return null;
  const names = namedSpecialTokens(config);
  const isNamed = new Set(names);
  const tokens = new Map<string, Token>(own.map((token) => [token.content, token]));
  let changed = false;
  let next = own.reduce((most, { id }) => Math.max(most, Number(id) + 1), Object.keys(vocab).length);
  const put = (content: string, id: number | null, flags: JsonObject): void => {
    const there = tokens.get(content);
    const known = there?.id ?? (Object.hasOwn(vocab, content) ? vocab[content] : undefined);
    const given = known ?? next;
    if (known === undefined) next += 1;
    const token = { ...there, ...flags, content, id: there?.id ?? id ?? given };
    // An id that the library would not give stays as it is written, and is refused when the tokenizer is opened.
    if (there !== undefined && JSON.stringify(token) === JSON.stringify(there)) return;
    tokens.set(content, token);
    changed = true;
  };
  const { added_tokens_decoder: decoder } = config;
  if (isObject(decoder)) {
    const sorted = Object.entries(decoder).sort(([a], [b]) => Number(a) - Number(b));
    for (const [id, token] of sorted) {
      if (isToken(token)) put(token.content, Number(id), flagsOf(token));
    }
  } else {
    const sorted = Object.entries(encoder).sort(([, a], [, b]) => Number(a) - Number(b));
    for (const [content, id] of sorted) {
      const special = isNamed.has(content);
      if (!tokens.has(content)) put(content, Number(id), { ...PLAIN, normalized: !special, special });
    }
  }
  for (const content of names) {
    put(content, null, tokens.has(content) ? { special: true } : { ...PLAIN, special: true });
  }
  return changed ? [...tokens.values()] : null;
}

const PLAIN = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: false };

function flagsOf(token: JsonObject): JsonObject {
  const given = Object.keys(PLAIN).flatMap((flag) => (flag in token ? [[flag, token[flag]] as const] : []));
  return { ...PLAIN, normalized: token.special !== true, ...Object.fromEntries(given) };
}

function isToken(value: unknown): value is Token {
  return isObject(value) && typeof value.content === "string";
}

/** Null for what is no JSON object: whoever opens the file says so. */
function parsed(text: string | undefined): JsonObject | null {
  try {
    const json = parseJson(text ?? "null", "the file");
    return isObject(json) ? json : null;
  } catch {
    return null;
  }
}
