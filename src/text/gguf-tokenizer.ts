// Converts a GGUF file's tokenizer metadata to the tokenizer files of a Hugging Face folder.

import { MagdiError } from "../base/errors.ts";
import {
  bad,
  flag,
  type GgufMetadata,
  mergesFromScores,
  numbers,
  readVocabulary,
  strings,
  TOKEN_TYPE,
  type Vocabulary,
} from "./gguf-vocabulary.ts";
import { preTokenizerNamed, splitStep } from "./pre-tokenizers.ts";

/** File name → content; null: the GGUF has none. */
export interface TokenizerFiles {
  readonly "tokenizer.json": string;
  readonly "tokenizer_config.json": string;
  readonly "chat_template.jinja": string | null;
}

/**
 * For tokenizer.ggml.model "gpt2" (byte-level BPE with the pre-tokenizer that tokenizer.ggml.pre names) or "llama"
 * (SentencePiece BPE with scores and byte fallback).
 * @throws MAGDI_UNSUPPORTED naming another model or pre-tokenizer; MAGDI_BAD_FILE for keys that are missing, of the
 *   wrong type or contradictory
 */
export function ggufTokenizerFiles(metadata: GgufMetadata): TokenizerFiles {
  const kind = metadata.get("tokenizer.ggml.model");
  if (kind !== "gpt2" && kind !== "llama") {
    throw new MagdiError(
      "MAGDI_UNSUPPORTED",
      `tokenizer.ggml.model: expected "gpt2" or "llama", found ${JSON.stringify(kind) ?? "no such key"}`,
    );
  }
  const vocabulary = readVocabulary(metadata);
  const parts =
    kind === "gpt2" ? byteLevelParts(metadata, vocabulary) : sentencePieceParts(metadata, vocabulary);
  const bos = flag(metadata, "tokenizer.ggml.add_bos_token", parts.addBos) ? vocabulary.bosId : null;
  const eos = flag(metadata, "tokenizer.ggml.add_eos_token", false) ? vocabulary.eosId : null;
  for (const [key, id] of [["bos", bos] as const, ["eos", eos] as const]) {
    if (id === undefined) {
      throw bad(`tokenizer.ggml.add_${key}_token`, `is true, but tokenizer.ggml.${key}_token_id is missing`);
    }
  }
  const chatTemplate = metadata.get("tokenizer.chat_template");
  const template = typeof chatTemplate === "string" ? chatTemplate : null;
  return {
    "tokenizer.json": tokenizerJson(vocabulary, parts, bos ?? null, eos ?? null),
    "tokenizer_config.json": tokenizerConfig(metadata, vocabulary, parts, bos != null, eos != null, template),
    "chat_template.jinja": template,
  };
}

/** End-of-turn and end-of-text tokens of the supported families. A file names only one of them as its eos. */
const END_TEXTS = new Set(
  "<|eot_id|> <|im_end|> <|end|> <|eom_id|> <end_of_turn> <|endoftext|> <|end_of_text|> </s>".split(" "),
);

/**
 * The ids that end a generation: the file's eos, eot and eom, and known end-of-turn control tokens. Ascending, for
 * eos_token_id in generation_config.json.
 */
export function ggufEndTokenIds(metadata: GgufMetadata): number[] {
  const { tokens, types, named } = readVocabulary(metadata);
  const ids = new Set(["eos", "eot", "eom"].flatMap((name) => named.get(name) ?? []));
  for (const [id, token] of tokens.entries()) {
    if (types[id] === TOKEN_TYPE.control && END_TEXTS.has(token)) ids.add(id);
  }
  return [...ids].sort((a, b) => a - b);
}

/** SentencePiece's own limit is 16; finding a piece's merges takes quadratic time in its length. */
const LONGEST_PIECE = 4096;

/** What differs between the two kinds of tokenizer. */
interface Parts {
  readonly normalizer: unknown;
  readonly preTokenizer: unknown;
  readonly decoder: unknown;
  readonly merges: readonly string[] | readonly [string, string][];
  /** The model's fields besides vocab and merges. */
  readonly model: Readonly<Record<string, unknown>>;
  readonly addBos: boolean;
  readonly addPrefixSpace: boolean;
  /** Whether the token only pads the embedding. */
  isPadding(token: string, type: number): boolean;
}

function byteLevelParts(metadata: GgufMetadata, vocabulary: Vocabulary): Parts {
  const name = metadata.get("tokenizer.ggml.pre") ?? "default";
  if (typeof name !== "string") throw bad("tokenizer.ggml.pre", `should be a string, found ${typeof name}`);
  const pre = preTokenizerNamed(name);
  const byteLevel = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: false };
  const unknown = vocabulary.named.get("unknown");
  return {
    normalizer: pre.nfc ? { type: "NFC" } : null,
    preTokenizer: { type: "Sequence", pretokenizers: [...pre.splits.map(splitStep), byteLevel] },
    decoder: byteLevel,
    merges: strings(metadata, "tokenizer.ggml.merges"),
    model: bpeModel({
      unk_token: unknown === undefined ? null : vocabulary.tokens[unknown],
      ignore_merges: pre.ignoreMerges ?? false,
    }),
    addBos: pre.addBos ?? false,
    addPrefixSpace: false,
    isPadding: (token, type) => type === TOKEN_TYPE.unused && /^\[PAD\d+\]$/.test(token),
  };
}

function bpeModel(fields: Readonly<Record<string, unknown>>): Parts["model"] {
  return {
    type: "BPE",
    dropout: null,
    unk_token: null,
    continuing_subword_prefix: null,
    end_of_word_suffix: null,
    fuse_unk: false,
    byte_fallback: false,
    ignore_merges: false,
    ...fields,
  };
}

function sentencePieceParts(metadata: GgufMetadata, vocabulary: Vocabulary): Parts {
  const { tokens, types, named } = vocabulary;
  const addPrefixSpace = flag(metadata, "tokenizer.ggml.add_space_prefix", true);
  const replace = { type: "Replace", pattern: { String: " " }, content: "▁" };
  const mergeable = new Map<string, number>();
  let byteTokens = 0;
  for (const [id, token] of tokens.entries()) {
    if (token.length > LONGEST_PIECE) {
      throw bad(
        "tokenizer.ggml.tokens",
        `has a piece of ${token.length} characters, at most ${LONGEST_PIECE} is expected`,
      );
    }
    if (types[id] === TOKEN_TYPE.normal) mergeable.set(token, id);
    else if (types[id] === TOKEN_TYPE.byte) byteTokens++;
  }
  const scores = numbers(metadata, "tokenizer.ggml.scores", tokens.length);
  const strip = addPrefixSpace ? [{ type: "Strip", content: " ", start: 1, stop: 0 }] : [];
  const unknown = named.get("unknown") ?? 0;
  return {
    // A space before each stretch of text between special tokens, as llama.cpp and Llama's own tokenizer add it.
    normalizer: addPrefixSpace
      ? { type: "Sequence", normalizers: [{ type: "Prepend", prepend: "▁" }, replace] }
      : replace,
    preTokenizer: null,
    decoder: {
      type: "Sequence",
      decoders: [
        { type: "Replace", pattern: { String: "▁" }, content: " " },
        { type: "ByteFallback" },
        { type: "Fuse" },
        ...strip,
      ],
    },
    merges: mergesFromScores(mergeable, scores),
    model: bpeModel({ unk_token: tokens[unknown], fuse_unk: true, byte_fallback: byteTokens === 256 }),
    addBos: true,
    addPrefixSpace,
    isPadding: () => false,
  };
}

/** Not one JSON.stringify: an object with 150 000 keys would lose "__proto__" and the order of the ids. */
function tokenizerJson(vocabulary: Vocabulary, parts: Parts, bos: number | null, eos: number | null): string {
  const { tokens, types } = vocabulary;
  const vocab: string[] = [];
  const added: unknown[] = [];
  for (const [id, token] of tokens.entries()) {
    const type = types[id]!;
    if (parts.isPadding(token, type)) continue;
    vocab.push(`${JSON.stringify(token)}:${id}`);
    const special = type === TOKEN_TYPE.control || type === TOKEN_TYPE.unknown;
    if (!special && type !== TOKEN_TYPE.userDefined) continue;
    added.push({
      id,
      content: token,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special,
    });
  }
  const paired = parts.merges.some((merge) => typeof merge === "string" && merge.split(" ").length !== 2);
  const merges = parts.merges.map((merge) => {
    if (typeof merge !== "string") return merge;
    const space = merge.indexOf(" ", 1);
    return paired ? [merge.slice(0, space), merge.slice(space + 1)] : merge;
  });
  const model = JSON.stringify(parts.model).slice(0, -1);
  const fields = {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: added,
    normalizer: parts.normalizer,
    pre_tokenizer: parts.preTokenizer,
    post_processor: postProcessor(tokens, bos, eos),
    decoder: parts.decoder,
  };
  return `${JSON.stringify(fields).slice(0, -1)},"model":${model},"vocab":{${vocab.join(",")}},"merges":${JSON.stringify(merges)}}}`;
}

function postProcessor(tokens: readonly string[], bos: number | null, eos: number | null): unknown {
  if (bos === null && eos === null) return null;
  const special = (id: number | null, type: number): unknown[] =>
    id === null ? [] : [{ SpecialToken: { id: tokens[id], type_id: type } }];
  const around = (sequence: "A" | "B", type: number): unknown[] => [
    ...special(bos, type),
    { Sequence: { id: sequence, type_id: type } },
    ...special(eos, type),
  ];
  const definitions = [bos, eos].flatMap((id) =>
    id === null ? [] : [[tokens[id], { id: tokens[id], ids: [id], tokens: [tokens[id]] }]],
  );
  return {
    type: "TemplateProcessing",
    single: around("A", 0),
    pair: [...around("A", 0), ...around("B", 1)],
    special_tokens: Object.fromEntries(definitions),
  };
}

function tokenizerConfig(
  metadata: GgufMetadata,
  vocabulary: Vocabulary,
  parts: Parts,
  addBos: boolean,
  addEos: boolean,
  template: string | null,
): string {
  const { tokens, types, named } = vocabulary;
  const names: Record<string, string | null> = {};
  for (const [field, name] of [
    ["bos", "bos"],
    ["eos", "eos"],
    ["unk", "unknown"],
    ["pad", "padding"],
  ] as const) {
    const id = named.get(name);
    // Naming an ordinary token, such as a padding id of 0, would make it special in every text.
    names[`${field}_token`] = id === undefined || types[id] === TOKEN_TYPE.normal ? null : tokens[id]!;
  }
  const contextLength = Number(
    metadata.get(`${String(metadata.get("general.architecture"))}.context_length`),
  );
  const config = {
    tokenizer_class: "PreTrainedTokenizerFast",
    ...names,
    add_bos_token: addBos,
    add_eos_token: addEos,
    add_prefix_space: parts.addPrefixSpace,
    clean_up_tokenization_spaces: false,
    ...(Number.isSafeInteger(contextLength) && contextLength > 0 ? { model_max_length: contextLength } : {}),
    // transformers.js reads the template from here only.
    ...(template === null ? {} : { chat_template: template }),
  };
  return `${JSON.stringify(config, null, 2)}\n`;
}
