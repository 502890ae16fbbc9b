// Writes a Hugging Face folder's tokenizer as the metadata of a GGUF file (tokenizer.ggml.*), for llama.cpp's own two
// tokenizers: byte-level pairs with a pre-tokenizer that it knows, and SentencePiece pairs with byte fallback. What it would
// tokenise otherwise is refused by name, or said.

import { MagdiError } from "../base/errors.ts";
import { isObject, type JsonObject, parseJson } from "../base/files/json-file.ts";
import { mergePair } from "./byte-pair-encoder.ts";
import { chatTemplateOf } from "./chat-template.ts";
import { TOKEN_TYPE } from "./gguf-vocabulary.ts";
import { preTokenizerNameOf, preTokenizerSteps } from "./pre-tokenizers.ts";
import { byteToken } from "./text-encoder.ts";
import { createTokenizer } from "./tokenizer.ts";
import { type AddedToken, addedTokens, specialTokenText, vocabularyIds } from "./tokenizer-json.ts";

/** A metadata value and its type in the file. */
type Field =
  | { readonly type: "string"; readonly value: string }
  | { readonly type: "bool"; readonly value: boolean }
  | { readonly type: "u32"; readonly value: number }
  | { readonly type: "array"; readonly of: "string"; readonly values: readonly string[] }
  | { readonly type: "array"; readonly of: "i32" | "f32"; readonly values: ArrayLike<number> };

export interface GgufTokenizer {
  readonly fields: ReadonlyMap<string, Field>;
  /** What llama.cpp does otherwise: one sentence each. */
  readonly notes: readonly string[];
}

export interface GgufTokenizerOptions {
  /** Rows of the embedding. */
  readonly vocabSize: number;
  /** The ids that end a generation, of generation_config.json or config.json; may be empty. */
  readonly endIds: readonly number[];
  /** bos_token_id of config.json, for tokenizers that name none. */
  readonly bosId: number | null;
  /** For errors. */
  readonly origin: string;
}

/** Tokens that end a generation in llama.cpp whatever the metadata says. */
const KNOWN_ENDS = new Set(
  "<|eot_id|> <|im_end|> <|end|> <|return|> <|call|> <end_of_turn> <|endoftext|> <|eom_id|> <EOT> _<EOT> <|end_of_text|>".split(
    " ",
  ),
);

const MARK = "▁";

/**
 * @param files tokenizer.json, tokenizer_config.json and chat_template.jinja by name; those of a model that is checked
 * @throws MAGDI_UNSUPPORTED naming what llama.cpp has no tokenizer for; MAGDI_BAD_FILE for tokens without a row
 */
export function ggufTokenizerFields(
  files: ReadonlyMap<string, string>,
  options: GgufTokenizerOptions,
): GgufTokenizer {
  const { vocabSize, origin } = options;
  const definition = objectOf(files.get("tokenizer.json"), `${origin}: tokenizer.json`);
  const config = objectOf(files.get("tokenizer_config.json") ?? "{}", `${origin}: tokenizer_config.json`);
  const model = isObject(definition.model) ? definition.model : {};
  if (model.type !== "BPE" && model.type !== undefined) {
    throw refused(origin, `model.type: expected BPE, found ${JSON.stringify(model.type)}`);
  }
  const added = addedTokens(definition.added_tokens, `${origin}: tokenizer.json`);
  const idOf = vocabularyIds(isObject(model.vocab) ? model.vocab : {}, `${origin}: tokenizer.json`);
  for (const { content, id } of added) idOf.set(content, id);
  const highest = [...idOf].reduce((most, entry) => (entry[1] > most[1] ? entry : most), ["", -1]);
  if (highest[1] >= vocabSize) {
    throw new MagdiError(
      "MAGDI_BAD_FILE",
      `${origin}: tokenizer.json: expected a row of the embedding for every token, found token ${highest[1]}, ${JSON.stringify(highest[0])}, and ${vocabSize} rows`,
    );
  }
  const notes: string[] = [];
  const listedMerges: readonly unknown[] = Array.isArray(model.merges) ? model.merges : [];
  const merges = listedMerges.map((merge, rank) => mergePair(merge, rank, `${origin}: tokenizer.json`));
  const steps = preTokenizerSteps(definition.pre_tokenizer);
  const isByteLevel = steps.some(({ type }) => type === "ByteLevel");
  const vocabulary = { tokens: listed(idOf, vocabSize), added, idOf, model };
  const kind = isByteLevel
    ? byteLevelFields(definition, steps, merges, vocabulary, origin)
    : sentencePieceFields(definition, steps, merges, vocabulary, notes, origin);
  for (const { content, lstrip, rstrip, singleWord } of added) {
    if (!lstrip && !rstrip && !singleWord) continue;
    notes.push(
      `llama.cpp takes no white space with the token ${JSON.stringify(content)} and finds it inside of words, as this tokenizer does otherwise.`,
    );
  }
  const template = chatTemplateOf(files, origin).source;
  return {
    fields: new Map<string, Field>([
      ...kind,
      ...specialFields(definition, config, idOf, vocabulary.tokens, options, notes),
      ...(template === null
        ? []
        : [["tokenizer.chat_template", { type: "string", value: template }] as const]),
    ]),
    notes,
  };
}

type Pair = readonly [string, string];

interface WrittenVocabulary {
  /** Text by id; null for rows without a token. */
  readonly tokens: readonly (string | null)[];
  readonly added: readonly AddedToken[];
  readonly idOf: ReadonlyMap<string, number>;
  readonly model: JsonObject;
}

function listed(idOf: ReadonlyMap<string, number>, vocabSize: number): (string | null)[] {
  const tokens: (string | null)[] = Array.from({ length: vocabSize }, () => null);
  for (const [text, id] of idOf) tokens[id] = text;
  return tokens;
}

/** Rows without a token are named as llama.cpp's converter names them. */
const named = (tokens: readonly (string | null)[]): string[] =>
  tokens.map((text, id) => text ?? `[PAD${id}]`);

/** Added tokens that a file does not call special though they mark turns are control tokens, as in llama.cpp's converter. */
const looksSpecial = (text: string): boolean =>
  /^(?:<\|.*\|>|<｜.*｜>|<unused.*>|<pad>|<mask>|<2mass>|\[@BOS@\])$/s.test(text);

const addedType = ({ special, content }: AddedToken): number =>
  special || looksSpecial(content) ? TOKEN_TYPE.control : TOKEN_TYPE.userDefined;

function typesOf({ tokens, added }: WrittenVocabulary): Int32Array {
  const types = Int32Array.from(tokens, (text) => (text === null ? TOKEN_TYPE.unused : TOKEN_TYPE.normal));
  for (const token of added) types[token.id] = addedType(token);
  return types;
}

function byteLevelFields(
  definition: JsonObject,
  steps: readonly JsonObject[],
  merges: readonly Pair[],
  vocabulary: WrittenVocabulary,
  origin: string,
): [string, Field][] {
  const { normalizer } = definition;
  const nfc = isObject(normalizer) && normalizer.type === "NFC";
  if (!nfc && normalizer !== null && normalizer !== undefined && !isEmptySequence(normalizer)) {
    throw refused(origin, `normalizer: expected none or NFC, found ${JSON.stringify(normalizer)}`);
  }
  const splits = steps.slice(0, -1).map((step) => isolatedSplit(step, steps.length === 2));
  const last = steps.at(-1);
  const plain = last?.type === "ByteLevel" && last.add_prefix_space !== true && last.alphabet !== false;
  const ignoreMerges = vocabulary.model.ignore_merges === true;
  const name =
    plain && splits.every((split) => split !== null)
      ? preTokenizerNameOf({ splits: splits.filter((split) => split !== null), ignoreMerges, nfc })
      : null;
  if (name === null) {
    throw refused(
      origin,
      `pre_tokenizer: expected one of those that llama.cpp has, found ${JSON.stringify(definition.pre_tokenizer)}${ignoreMerges ? " with ignore_merges" : ""}`,
    );
  }
  return [
    ["tokenizer.ggml.model", { type: "string", value: "gpt2" }],
    ["tokenizer.ggml.pre", { type: "string", value: name }],
    ["tokenizer.ggml.tokens", { type: "array", of: "string", values: named(vocabulary.tokens) }],
    ["tokenizer.ggml.token_type", { type: "array", of: "i32", values: typesOf(vocabulary) }],
    [
      "tokenizer.ggml.merges",
      { type: "array", of: "string", values: merges.map(([left, right]) => `${left} ${right}`) },
    ],
  ];
}

function isEmptySequence(step: unknown): boolean {
  return (
    isObject(step) &&
    step.type === "Sequence" &&
    Array.isArray(step.normalizers) &&
    step.normalizers.length === 0
  );
}

/** The expression of a Split whose matches and gaps are words; null for others. One that removes what it does not match
 * is the same where it is the only one: llama.cpp's expressions match everything. */
function isolatedSplit(step: JsonObject, isOnly: boolean): string | null {
  const { type, behavior, invert, pattern } = step;
  if (type !== "Split" || !isObject(pattern) || typeof pattern.Regex !== "string") return null;
  const isolated = behavior === "Isolated" || (isOnly && behavior === "Removed" && invert === true);
  return isolated ? pattern.Regex : null;
}

function sentencePieceFields(
  definition: JsonObject,
  steps: readonly JsonObject[],
  merges: readonly Pair[],
  vocabulary: WrittenVocabulary,
  notes: string[],
  origin: string,
): [string, Field][] {
  const { tokens, idOf, model } = vocabulary;
  const addsSpace = spacePrefix(definition, steps, notes, origin);
  const types = typesOf(vocabulary);
  for (let byte = 0; byte < 256; byte++) {
    const id = idOf.get(byteToken(byte));
    if (model.byte_fallback !== true || id === undefined) {
      throw refused(origin, "model: expected byte_fallback and a token for every byte, found otherwise");
    }
    types[id] = TOKEN_TYPE.byte;
  }
  const unknown = typeof model.unk_token === "string" ? idOf.get(model.unk_token) : undefined;
  if (unknown !== undefined) types[unknown] = TOKEN_TYPE.unknown;
  const texts = named(tokens).map((text, id) =>
    types[id] === TOKEN_TYPE.userDefined ? text.replaceAll(MARK, " ") : text,
  );
  const scores = scoresOf(merges, { ...vocabulary, types }, origin);
  return [
    ["tokenizer.ggml.model", { type: "string", value: "llama" }],
    ["tokenizer.ggml.pre", { type: "string", value: "default" }],
    ["tokenizer.ggml.tokens", { type: "array", of: "string", values: texts }],
    ["tokenizer.ggml.scores", { type: "array", of: "f32", values: scores }],
    ["tokenizer.ggml.token_type", { type: "array", of: "i32", values: types }],
    ["tokenizer.ggml.add_space_prefix", { type: "bool", value: addsSpace }],
  ];
}

/** Whether a space is put before the text, and so before the text behind each special token: llama.cpp has this one rule. */
function spacePrefix(
  definition: JsonObject,
  steps: readonly JsonObject[],
  notes: string[],
  origin: string,
): boolean {
  const { normalizer } = definition;
  const normalizers =
    isObject(normalizer) && normalizer.type === "Sequence" ? normalizer.normalizers : [normalizer];
  const found = Array.isArray(normalizers) ? normalizers.filter(isObject) : [];
  const isPrepend = (step: JsonObject | undefined) => step?.type === "Prepend" && step.prepend === MARK;
  const isReplace = (step: JsonObject | undefined) =>
    step?.type === "Replace" &&
    isObject(step.pattern) &&
    step.pattern.String === " " &&
    step.content === MARK;
  if (steps.length === 0 && found.length === 2 && isPrepend(found[0]) && isReplace(found[1])) return true;
  if (steps.length === 0 && found.length === 1 && isReplace(found[0])) return false;
  const [step] = steps;
  const isMarked =
    steps.length === 1 && step?.type === "Metaspace" && step.split === false && step.replacement === MARK;
  if (found.length > 0 || !isMarked) {
    throw refused(
      origin,
      `normalizer and pre_tokenizer: expected SentencePiece's, found ${JSON.stringify(normalizer ?? null)} and ${JSON.stringify(definition.pre_tokenizer ?? null)}`,
    );
  }
  const scheme = step.prepend_scheme ?? (step.add_prefix_space === false ? "never" : "always");
  if (scheme === "never") return false;
  notes.push(
    scheme === "first"
      ? "llama.cpp puts a space before the text behind each special token, where this tokenizer puts one before the first text alone."
      : "llama.cpp puts a space before a text that begins with one, too, where this tokenizer does not.",
  );
  return true;
}

/**
 * SentencePiece merges the neighbours whose piece scores best. Its scores are the merges' order where each piece's merges
 * stand together and every two pieces that make a third are a merge.
 * @throws MAGDI_UNSUPPORTED where they do not
 */
function scoresOf(
  merges: readonly Pair[],
  { tokens, types }: WrittenVocabulary & { readonly types: Int32Array },
  origin: string,
): Float32Array {
  const rankOf = new Map<string, number>();
  const pairs = new Set<string>();
  let last = "";
  for (const [left, right] of merges) {
    const piece = left + right;
    pairs.add(`${left} ${right}`);
    if (piece === last) continue;
    if (rankOf.has(piece)) throw noScores(origin, left, right);
    rankOf.set(piece, rankOf.size);
    last = piece;
  }
  const normal = new Set(tokens.filter((text, id) => text !== null && types[id] === TOKEN_TYPE.normal));
  for (const piece of normal) {
    if (piece === null) continue;
    for (let cut = 1; cut < piece.length; cut++) {
      const [left, right] = [piece.slice(0, cut), piece.slice(cut)];
      if (normal.has(left) && normal.has(right) && !pairs.has(`${left} ${right}`)) {
        throw noScores(origin, left, right);
      }
    }
  }
  return Float32Array.from(tokens, (text, id) => {
    if (types[id] !== TOKEN_TYPE.normal || text === null) return -1e4;
    return -(rankOf.get(text) ?? rankOf.size);
  });
}

function noScores(origin: string, left: string, right: string): MagdiError {
  return refused(
    origin,
    `model.merges: expected the order of SentencePiece's scores, found ${JSON.stringify(`${left} ${right}`)} out of it`,
  );
}

/** The ids of special tokens, and which of them are put around a text. */
function specialFields(
  definition: JsonObject,
  config: JsonObject,
  idOf: ReadonlyMap<string, number>,
  tokens: readonly (string | null)[],
  { endIds, bosId, origin }: GgufTokenizerOptions,
  notes: string[],
): [string, Field][] {
  const idNamed = (name: string): number | undefined => idOf.get(specialTokenText(config[name]) ?? "");
  const around = specialTokensAround(definition, config, origin);
  const bos = around.before ?? idNamed("bos_token") ?? bosId ?? undefined;
  const stated = around.behind ?? idNamed("eos_token");
  const eos = stated !== undefined && (endIds.length === 0 || endIds.includes(stated)) ? stated : endIds[0];
  if (eos === undefined) {
    throw refused(origin, "eos_token: expected a token that ends an answer, found none");
  }
  const others = endIds.filter((id) => id !== eos && !KNOWN_ENDS.has(tokens[id] ?? ""));
  const [eot, eom, ...unsaid] = others;
  if (unsaid.length > 0) {
    const texts = unsaid.map((id) => JSON.stringify(tokens[id] ?? id)).join(", ");
    notes.push(
      `A GGUF file names three tokens that end an answer; those of this model too are not among them: ${texts}.`,
    );
  }
  const ids = {
    bos,
    eos,
    eot,
    eom,
    unknown:
      idNamed("unk_token") ?? idOf.get(String(isObject(definition.model) ? definition.model.unk_token : "")),
    padding: idNamed("pad_token"),
  };
  return [
    ...Object.entries(ids).flatMap(([name, value]): [string, Field][] =>
      value === undefined || value >= tokens.length
        ? []
        : [[`tokenizer.ggml.${name}_token_id`, { type: "u32", value }]],
    ),
    ["tokenizer.ggml.add_bos_token", { type: "bool", value: around.before !== undefined }],
    ["tokenizer.ggml.add_eos_token", { type: "bool", value: around.behind !== undefined }],
  ];
}

/** The special token that the tokenizer puts before a text, and the one behind. @throws MAGDI_UNSUPPORTED for more */
function specialTokensAround(
  definition: JsonObject,
  config: JsonObject,
  origin: string,
): { readonly before: number | undefined; readonly behind: number | undefined } {
  const tokenizer = createTokenizer(definition, config, `${origin}: tokenizer.json`);
  const [plain, whole] = [false, true].map((addSpecialTokens) => [
    ...tokenizer.encode("a", { addSpecialTokens }),
  ]) as [number[], number[]]; // one for each
  for (const [before, behind] of [
    [0, 0],
    [1, 0],
    [0, 1],
    [1, 1],
  ] as const) {
    const inner = whole.slice(before, whole.length - behind);
    if (whole.length !== plain.length + before + behind || inner.join() !== plain.join()) continue;
    return { before: before === 1 ? whole[0] : undefined, behind: behind === 1 ? whole.at(-1) : undefined };
  }
  throw refused(
    origin,
    `post_processor: expected at most one token before a text and one behind it, found the ids ${whole.join(", ")} for ${plain.join(", ")}`,
  );
}

function objectOf(text: string | undefined, where: string): JsonObject {
  const json = parseJson(text ?? "null", where);
  if (isObject(json)) return json;
  throw new MagdiError("MAGDI_BAD_FILE", `${where}: expected a JSON object, found other JSON`);
}

function refused(origin: string, what: string): MagdiError {
  return new MagdiError(
    "MAGDI_UNSUPPORTED",
    `${origin}: tokenizer.json: ${what}; llama.cpp would make other tokens of a text: export with --to hf`,
  );
}
