// What of a tokenizer.json is computed as the Rust tokenizers library does; all else is refused by name. Normalizers that the
// JavaScript library computes otherwise are written as others that it computes alike.

import { Tokenizer as HuggingFaceTokenizer } from "@huggingface/tokenizers";
import { MagdiError } from "../base/errors.ts";
import { isObject, type JsonObject } from "../base/files/json-file.ts";
import { examine, type KnownField } from "../base/known-fields.ts";
import { byteOfCharacter } from "./byte-level-alphabet.ts";
import { mergePair } from "./byte-pair-encoder.ts";
import { preTokenizerSteps } from "./pre-tokenizers.ts";
import { isSplitBehaviour, SPLIT_BEHAVIOURS } from "./split-behaviour.ts";
import { byteToken } from "./text-encoder.ts";
import { DECODERS } from "./token-decoder.ts";
import { normalizerSteps } from "./tokenizer-bounds.ts";
import { type AddedToken, vocabularyIds } from "./tokenizer-json.ts";

/**
 * The normalizers so written, as a flat list.
 * @throws MAGDI_UNSUPPORTED naming the first component, option or token that would give other ids
 */
export function supportedNormalizers(
  tokenizer: JsonObject,
  model: JsonObject,
  added: readonly AddedToken[],
  origin: string,
): readonly JsonObject[] {
  const refuse = (what: string): never => {
    throw new MagdiError("MAGDI_UNSUPPORTED", `${origin}: ${what}`);
  };
  const vocab = vocabularyIds(isObject(model.vocab) ? model.vocab : {}, origin);
  const ids = new Map(vocab);
  for (const { content, id } of added) ids.set(content, id);
  checkModel(model, vocab, origin, refuse);
  checkAddedTokens(added, vocab, refuse);
  const steps = normalizerSteps(tokenizer.normalizer, (found) =>
    refuse(`normalizer: expected an object, found ${JSON.stringify(found)}`),
  );
  const normalizers = steps.flatMap((step, index) => supportedSteps(step, index, refuse));
  checkPreTokenizers(tokenizer.pre_tokenizer, normalizers, refuse);
  checkPostProcessor(tokenizer.post_processor, ids, refuse);
  return normalizers;
}

const NORMALIZERS = [
  ...["Sequence", "NFC", "NFD", "NFKC", "NFKD", "Lowercase", "Strip", "StripAccents", "Replace", "Prepend"],
] as const;
const PRE_TOKENIZERS = [
  ...[
    "Sequence",
    "ByteLevel",
    "Metaspace",
    "Split",
    "Digits",
    "Punctuation",
    "Whitespace",
    "WhitespaceSplit",
  ],
  ...["BertPreTokenizer", "CharDelimiterSplit", "FixedLength"],
] as const;
const POST_PROCESSORS = [
  ...["Sequence", "ByteLevel", "TemplateProcessing", "BertProcessing", "RobertaProcessing"],
] as const;
const AFFIXES = ["continuing_subword_prefix", "end_of_word_suffix", "continuing_subword_suffix"];

/** What is done with each field of a tokenizer.json. */
export const TOKENIZER_FIELDS: readonly KnownField[] = [
  { names: "model.type", treatment: "honoured", about: "BPE with merges; others are refused" },
  {
    names:
      "model.vocab, model.merges, model.unk_token, model.fuse_unk, model.byte_fallback, model.ignore_merges",
    treatment: "honoured",
    about: "256 byte tokens or none; an unknown token that the vocabulary has",
  },
  {
    names: AFFIXES.map((field) => `model.${field}`).join(", "),
    treatment: "refused",
    about: "parts of words that are written otherwise",
    neutral: [""],
  },
  { names: "model.dropout", treatment: "refused", about: "merges at random", neutral: [0] },
  {
    names: "added_tokens",
    treatment: "honoured",
    about:
      "with special, normalized, lstrip, rstrip and single_word; ids that the library would not give are refused",
  },
  { names: "normalizer", treatment: "honoured", about: `${NORMALIZERS.join(", ")}; others are refused` },
  {
    names: "pre_tokenizer",
    treatment: "honoured",
    about: `${PRE_TOKENIZERS.join(", ")}; others are refused`,
  },
  {
    names: "post_processor",
    treatment: "honoured",
    about: `${POST_PROCESSORS.join(", ")}; others are refused`,
  },
  { names: "decoder", treatment: "honoured", about: `${DECODERS.join(", ")}; others are refused` },
  { names: "truncation, padding", treatment: "ignored", about: "Transformers sets them with each call" },
  { names: "version", treatment: "ignored", about: "of the format" },
  { names: "model.cache_capacity", treatment: "ignored", about: "speed" },
];

/** Fields of a tokenizer.json and its model that are not in the table. */
export function unknownTokenizerFields(tokenizer: JsonObject): readonly string[] {
  const { model, ...others } = tokenizer;
  const ofModel = Object.entries(isObject(model) ? model : {}).map(([name, value]) => [
    `model.${name}`,
    value,
  ]);
  return examine({ ...others, ...Object.fromEntries(ofModel) }, TOKENIZER_FIELDS).unknown;
}

type Refuse = (what: string) => never;

function checkModel(
  model: JsonObject,
  vocab: ReadonlyMap<string, number>,
  origin: string,
  refuse: Refuse,
): void {
  for (const field of AFFIXES) {
    if (model[field]) refuse(`model.${field}: expected none, found ${JSON.stringify(model[field])}`);
  }
  if (model.dropout) refuse(`model.dropout: expected none, found ${JSON.stringify(model.dropout)}`);
  const { unk_token: unknown } = model;
  const bytes = Array.from({ length: 256 }, (_, byte) => byteToken(byte));
  const isFallback = model.byte_fallback === true;
  const there = bytes.filter((token) => vocab.has(token)).length;
  if (isFallback && there > 0 && there < 256) {
    refuse(`model.byte_fallback: expected tokens for all 256 bytes or for none, found ${there}`);
  }
  const whole = new Set(isFallback && there > 0 ? bytes : []);
  if (typeof unknown === "string") {
    whole.add(unknown);
    const isComplete = [...byteOfCharacter.keys()].every((character) => vocab.has(character));
    if (!vocab.has(unknown) && !isComplete) {
      refuse(`model.unk_token: expected a token of model.vocab, found ${JSON.stringify(unknown)}`);
    }
  }
  for (const [rank, merge] of (Array.isArray(model.merges) ? model.merges : []).entries()) {
    const token = mergePair(merge, rank, origin).find((part) => whole.has(part));
    // An unknown character is merged after it has become such a token, which text never spells.
    if (token !== undefined) refuse(`model.merges: merge ${rank} goes on from ${JSON.stringify(token)}`);
  }
}

function checkAddedTokens(
  added: readonly AddedToken[],
  vocab: ReadonlyMap<string, number>,
  refuse: Refuse,
): void {
  let greatest = -1;
  const known = new Map<string, number>();
  for (const { content, id } of added) {
    if (content === "") continue;
    const next = greatest >= vocab.size ? greatest + 1 : vocab.size;
    const given = vocab.get(content) ?? known.get(content) ?? next;
    if (given !== id) {
      refuse(
        `added_tokens: ${JSON.stringify(content)} has id ${id}, but the tokenizers library, which takes ids ${
          vocab.has(content) ? "from model.vocab" : "behind model.vocab without gaps"
        }, gives it ${given}`,
      );
    }
    known.set(content, given);
    greatest = Math.max(greatest, given);
  }
}

const replace = (pattern: JsonObject, content: string): JsonObject => ({ type: "Replace", pattern, content });

/** The index-th step of a normalizer as the libraries read it alike. */
function supportedSteps(step: JsonObject, index: number, refuse: Refuse): JsonObject[] {
  switch (step.type) {
    case "NFC":
    case "NFD":
    case "NFKC":
    case "NFKD":
      return [step];
    case "Prepend":
      if (index === 0) return [step];
      // Nothing is put before a text that earlier steps have emptied.
      return [replace({ Regex: "\\A(?=[\\s\\S])" }, literal(String(step.prepend ?? "")))];
    case "Lowercase":
      // JavaScript writes a last sigma otherwise.
      return [replace({ String: "Σ" }, "σ"), step];
    case "Strip":
      return [
        ...(step.strip_left === true ? [replace({ Regex: "\\A\\s+" }, "")] : []),
        ...(step.strip_right === true ? [replace({ Regex: "(?<!\\s)\\s+\\z" }, "")] : []),
      ];
    case "StripAccents":
      return [replace({ Regex: "\\p{M}" }, "")];
    case "Replace":
      if (matchesNothing(step)) {
        refuse(
          `normalizer Replace: expected a pattern that matches some text, found ${JSON.stringify(step.pattern)}, which matches none too`,
        );
      }
      return [{ ...step, content: literal(String(step.content ?? "")) }];
    default:
      return refuse(`normalizer ${JSON.stringify(step.type)}: supported are ${NORMALIZERS.join(", ")}`);
  }
}

/** Whether a pattern matches an empty text: the libraries find such matches in other places. */
function matchesNothing({ pattern }: JsonObject): boolean {
  const written = { type: "Replace", pattern, content: "x" };
  const model = { type: "BPE", vocab: {}, merges: [] };
  const others = { model, added_tokens: [], pre_tokenizer: null, post_processor: null, decoder: null };
  const { normalizer }: { normalizer: (text: string) => string } = new HuggingFaceTokenizer(
    { ...others, normalizer: written },
    {},
  );
  return normalizer("") !== "";
}

/** A replacement in which JavaScript's dollar signs stand for themselves. */
function literal(content: string): string {
  return content.replaceAll("$", "$$$$");
}

/** What the others are written as. */
const BASIC_PRE_TOKENIZERS = ["Split", "Metaspace", "ByteLevel", "FixedLength"];

function checkPreTokenizers(preTokenizer: unknown, normalizers: readonly JsonObject[], refuse: Refuse): void {
  for (const step of preTokenizerSteps(preTokenizer)) {
    const { type, behavior } = step;
    if (!BASIC_PRE_TOKENIZERS.includes(String(type))) {
      refuse(`pre_tokenizer ${JSON.stringify(type)}: supported are ${PRE_TOKENIZERS.join(", ")}`);
    }
    if (type === "Split" && !isSplitBehaviour(behavior)) {
      refuse(
        `pre_tokenizer Split: behavior: expected one of ${SPLIT_BEHAVIOURS.join(", ")}, found ${JSON.stringify(behavior)}`,
      );
    }
    const removing = normalizers.find((one) => one.type === "Replace" && one.content === "");
    if (type === "Metaspace" && step.prepend_scheme === "first" && removing !== undefined) {
      refuse(
        `pre_tokenizer Metaspace: prepend_scheme "first" is not supported behind a normalizer that removes text (Strip, StripAccents, Replace by nothing)`,
      );
    }
  }
}

/** Its tokens are found by their names, so these must be the tokens of its ids. */
function checkPostProcessor(step: unknown, ids: ReadonlyMap<string, number>, refuse: Refuse): void {
  if (!isObject(step)) return;
  const expect = (token: unknown, id: unknown): void => {
    if (ids.get(String(token)) === id) return;
    refuse(
      `post_processor ${String(step.type)}: expected ${JSON.stringify(token)} to have the id that the vocabulary gives it, ${ids.get(String(token)) ?? "none"}, found ${JSON.stringify(id)}`,
    );
  };
  switch (step.type) {
    case "ByteLevel":
      return;
    case "Sequence":
      if (Array.isArray(step.processors))
        for (const each of step.processors) checkPostProcessor(each, ids, refuse);
      return;
    case "BertProcessing":
    case "RobertaProcessing":
      for (const pair of [step.cls, step.sep]) if (Array.isArray(pair)) expect(pair[0], pair[1]);
      return;
    case "TemplateProcessing":
      for (const [name, token] of Object.entries(isObject(step.special_tokens) ? step.special_tokens : {})) {
        const list: unknown = isObject(token) ? token.ids : null;
        expect(name, Array.isArray(list) && list.length === 1 ? list[0] : list);
      }
      return;
    default:
      refuse(`post_processor ${JSON.stringify(step.type)}: supported are ${POST_PROCESSORS.join(", ")}`);
  }
}
