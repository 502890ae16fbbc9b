// Pre-tokenizers: how text is split into words before merging, by a GGUF file's tokenizer.ggml.pre and by the
// pre_tokenizer of a tokenizer.json.

import { MagdiError } from "../base/errors.ts";
import { isObject, type JsonObject } from "../base/files/json-file.ts";
import { byteLevelText } from "./byte-level-alphabet.ts";
import { isSplitBehaviour, splitAt } from "./split-behaviour.ts";

export interface PreTokenizer {
  /** Regular expressions, each applied to the pieces of the one before. Matches and the text between them are pieces. */
  readonly splits: readonly string[];
  /** Whether a word that is in the vocabulary is not merged but taken as that token. */
  readonly ignoreMerges?: boolean;
  /** Whether BOS is added when the file does not say. */
  readonly addBos?: boolean;
  /** Whether text is normalised to NFC first. */
  readonly nfc?: boolean;
}

/** GPT-2's words. */
const GPT2_WORDS = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

const CONTRACTIONS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
const SPACES = "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

/** The words of cl100k and its descendants; `digits` matches numbers. */
const words = (digits: string, letters = "\\p{L}", punctuation = "[^\\s\\p{L}\\p{N}]"): string =>
  `${CONTRACTIONS}|[^\\r\\n\\p{L}\\p{N}]?${letters}+|${digits}| ?${punctuation}+[\\r\\n]*|${SPACES}`;

/** o200k's words: a capital begins a new one. */
const capitalisedWords = (contractions: string, digits: string): string => {
  const upper = "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]";
  const lower = "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]";
  const lead = "[^\\r\\n\\p{L}\\p{N}]?";
  return (
    `${lead}${upper}*${lower}+${contractions}|${lead}${upper}+${lower}*${contractions}|` +
    `${digits}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|${SPACES}`
  );
};

// Ranges of Han, kana and Hangul in DeepSeek's tokenizers.
const HAN_KANA = "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+";
/** DeepSeek's \s+$, which takes quadratic time in a run of spaces, begun nowhere but at the run's first. */
const LAST_SPACES = "(?<!\\s)\\s+$";
const HAN_HANGUL = "[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+";
const ASCII_PUNCTUATION = "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~]";

const gpt2: PreTokenizer = { splits: [GPT2_WORDS] };
const singleDigits: PreTokenizer = { splits: ["\\p{N}", GPT2_WORDS] };
const threeDigits: PreTokenizer = { splits: [words("\\p{N}{1,3}")] };
const llama3: PreTokenizer = { ...threeDigits, ignoreMerges: true, addBos: true };
const qwen2: PreTokenizer = { splits: [words("\\p{N}")], nfc: true };
const oneDigit: PreTokenizer = { splits: [words("\\p{N}")] };
const o200k: PreTokenizer = { splits: [capitalisedWords(`${CONTRACTIONS}?`, "\\p{N}{1,3}")] };
const deepseekV3: PreTokenizer = {
  splits: [
    "\\p{N}{1,3}",
    HAN_KANA,
    `${ASCII_PUNCTUATION}[A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\\r\\n]*|${SPACES}`,
  ],
};

const deepseekLlm: PreTokenizer = {
  splits: [
    "[\\r\\n]",
    // Cased letters; DeepSeek's own list of them is an older Unicode's, without the mathematical alphabets.
    "\\s?(?:(?![\u{1d400}-\u{1d7ff}])[\\p{Lu}\\p{Ll}\\p{Lt}])+",
    "\\s?[!-/:-~\uff01-\uff0f\uff1a-\uff5e\u2018-\u201f\u3000-\u3002]+",
    LAST_SPACES,
    HAN_HANGUL,
    "\\p{N}+",
  ],
};

/** By names, separated by spaces. */
const PRE_TOKENIZERS: readonly (readonly [names: string, PreTokenizer])[] = [
  // For files from before tokenizer.ggml.pre.
  ["default", { splits: ["[\\p{P}\\$\\+<=>\\^~\\|]+", GPT2_WORDS, "\\p{N}+", "[0-9][0-9][0-9]"] }],
  ["falcon", { splits: ["[\\p{P}\\$\\+<=>\\^~\\|`]+", GPT2_WORDS, "[0-9][0-9][0-9]"] }],
  ["gpt-2 phi-2 mpt olmo jais trillion exaone4 gigachat a.x-4.0 mellum", gpt2],
  ["smollm starcoder refact command-r codeshell exaone minerva-7b mellum2", singleDigits],
  ["llama-bpe llama3 llama-v3 falcon3 falcon-h1 pixtral midm-2.0 lfm2", llama3],
  ["dbrx smaug-bpe chatglm-bpe glm4", threeDigits],
  ["qwen2 deepseek-r1-qwen", qwen2],
  ["qwen35", { splits: [words("\\p{N}", "[\\p{L}\\p{M}]", "[^\\s\\p{L}\\p{M}\\p{N}]")], nfc: true }],
  ["stablelm2 megrez hunyuan solar-open grok-2", oneDigit],
  ["tekken", { splits: [capitalisedWords("", "\\p{N}")], ignoreMerges: true, addBos: true }],
  ["gpt-4o llama4 kanana2 minimax-m2", o200k],
  ["deepseek-v3 hunyuan-dense joyai-llm", deepseekV3],
  ["deepseek-coder", { splits: ["[\\r\\n]", "\\s?\\p{L}+", "\\s?\\p{P}+", HAN_HANGUL, "\\p{N}"] }],
  ["deepseek-llm", deepseekLlm],
];

const preTokenizers: ReadonlyMap<string, PreTokenizer> = new Map(
  PRE_TOKENIZERS.flatMap(([names, preTokenizer]) => names.split(" ").map((name) => [name, preTokenizer])),
);

/**
 * The pre-tokenizer of a GGUF file's tokenizer.ggml.pre. Names and expressions are llama.cpp's (llama-vocab.cpp), written
 * as in the models' own tokenizer.json.
 * @throws MAGDI_UNSUPPORTED for an unknown name: a guess would give other ids than in training
 */
export function preTokenizerNamed(name: string): PreTokenizer {
  const known = preTokenizers.get(name);
  if (known !== undefined) return known;
  throw new MagdiError(
    "MAGDI_UNSUPPORTED",
    `tokenizer.ggml.pre: no pre-tokenizer ${JSON.stringify(name)}, known are ${[...preTokenizers.keys()].join(", ")}`,
  );
}

/**
 * The name by which llama.cpp knows a byte-level tokenizer's splits; null where it knows none. It normalises no text, so of
 * names that differ in that alone the one is given whose models do as this one.
 */
export function preTokenizerNameOf(wanted: Required<Omit<PreTokenizer, "addBos">>): string | null {
  const found = PRE_TOKENIZERS.filter(
    ([names, { splits, ignoreMerges = false }]) =>
      names !== "default" &&
      ignoreMerges === wanted.ignoreMerges &&
      splits.length === wanted.splits.length &&
      splits.every((split, index) => split === wanted.splits[index]),
  );
  const [names] = found.find(([, { nfc = false }]) => nfc === wanted.nfc) ?? found[0] ?? [null];
  return names?.split(" ")[0] ?? null;
}

/** ASCII's punctuation, and Unicode's. */
const PUNCTUATION = "[\\p{P}$+<=>^`|~]";
const SPACES_OF_UNICODE = "\\p{White_Space}+";
const WORD = "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\u200c\u200d";
const WORDS_AND_SYMBOLS = `[${WORD}]+|[^${WORD}\\p{White_Space}]+`;

/** Expressions that split every text in linear time. Others are tried before they are used. */
export const LINEAR_SPLITS: ReadonlySet<string> = new Set([
  ...[...preTokenizers.values()].flatMap(({ splits }) => splits),
  ...["\\p{N}", "\\p{N}+", markedWords("▁"), PUNCTUATION, SPACES_OF_UNICODE, WORDS_AND_SYMBOLS],
]);

/**
 * The steps of tokenizer.json's pre_tokenizer as a flat list of four kinds: Split, Metaspace and ByteLevel that do not
 * split, and FixedLength. The Rust library, the reference, takes any Unicode number, White_Space and punctuation where the
 * JavaScript library takes JavaScript's, and has behaviours that the JavaScript library lacks. That one translates the
 * expressions of Split correctly, so all that splits becomes a Split.
 */
export function preTokenizerSteps(step: unknown): readonly JsonObject[] {
  if (!isObject(step)) return [];
  switch (step.type) {
    case "Sequence":
      return Array.isArray(step.pretokenizers) ? step.pretokenizers.flatMap(preTokenizerSteps) : [];
    case "Digits":
      return [splitStep(step.individual_digits === true ? "\\p{N}" : "\\p{N}+")];
    case "ByteLevel":
      if (step.use_regex === false) return [step];
      // The space before a piece is part of its first word.
      if (step.add_prefix_space === true) {
        return [{ ...step, use_regex: false, alphabet: false }, splitStep(GPT2_WORDS), BYTES];
      }
      return [splitStep(GPT2_WORDS), { ...step, use_regex: false }];
    case "Split":
      return isObject(step.pattern) && step.pattern.Regex === "\\s+$"
        ? [{ ...step, pattern: { Regex: LAST_SPACES } }]
        : [step];
    case "Metaspace":
      return step.split === false ? [step] : [step, splitStep(markedWords(step.replacement))];
    case "Punctuation":
      return [{ ...splitStep(PUNCTUATION), behavior: step.behavior ?? "Isolated" }];
    case "WhitespaceSplit":
      return [{ ...splitStep(SPACES_OF_UNICODE), behavior: "Removed" }];
    case "Whitespace":
      return [{ ...splitStep(WORDS_AND_SYMBOLS), behavior: "Removed", invert: true }];
    case "BertPreTokenizer":
      return [{ ...splitStep(SPACES_OF_UNICODE), behavior: "Removed" }, splitStep(PUNCTUATION)];
    case "CharDelimiterSplit":
      return [{ ...splitStep(""), pattern: { String: step.delimiter }, behavior: "Removed" }];
    default:
      return [step];
  }
}

/** Writes words in the byte-level alphabet. */
const BYTES: JsonObject = {
  type: "ByteLevel",
  add_prefix_space: false,
  trim_offsets: true,
  use_regex: false,
};

/** Metaspace's words: each of its marks begins one. */
function markedWords(replacement: unknown): string {
  const mark = typeof replacement === "string" ? replacement : "▁";
  const code = `\\u{${mark.codePointAt(0)?.toString(16)}}`;
  return `${code}[^${code}]*|[^${code}]+`;
}

export function splitStep(regex: string): JsonObject {
  return { type: "Split", pattern: { Regex: regex }, behavior: "Isolated", invert: false };
}

/** A text's words, until there are `limit` + 1. `isFirst`: nothing of the whole text lies before it. */
type WordSplitter = (text: string, limit: number, isFirst: boolean) => string[];

/**
 * A splitter by these steps.
 * @param patterns each Split's expression as JavaScript's
 */
export function createWordSplitter(
  steps: readonly JsonObject[],
  patterns: readonly (RegExp | undefined)[],
): WordSplitter {
  const isolated = isolatedSplitter(steps, patterns);
  if (isolated !== null) return isolated;
  const stages = steps.map((step, index) => stageOf(step, patterns[index]));
  return (text, _limit, isFirst) => {
    let pieces = [{ text, isFirst }];
    for (const stage of stages) pieces = pieces.flatMap(stage);
    return pieces.map((piece) => piece.text);
  };
}

/**
 * For isolated Splits followed by ByteLevel, which all byte-level students have; null for other steps. A third of the time,
 * which a megabyte of digits needs.
 */
function isolatedSplitter(
  steps: readonly JsonObject[],
  patterns: readonly (RegExp | undefined)[],
): WordSplitter | null {
  const last = steps.at(-1);
  if (last?.type !== "ByteLevel" || last.use_regex !== false || last.add_prefix_space === true) return null;
  const expressions: RegExp[] = [];
  for (const [i, step] of steps.slice(0, -1).entries()) {
    const pattern = patterns[i];
    if (step.type !== "Split" || step.behavior !== "Isolated" || isEmptyString(step.pattern) || !pattern)
      return null;
    expressions.push(pattern);
  }
  return (text, limit) => {
    let pieces = [text];
    for (const expression of expressions) pieces = splitAll(pieces, expression, limit + 1);
    for (let i = 0; i < pieces.length; i++) pieces[i] = byteLevelText(pieces[i]!);
    return pieces;
  };
}

interface Piece {
  readonly text: string;
  readonly isFirst: boolean;
}

function stageOf(step: JsonObject, pattern: RegExp | undefined): (piece: Piece) => Piece[] {
  switch (step.type) {
    case "Split": {
      // The library's expression of an empty text has a group around it, which matches too.
      const expression = pattern ?? null;
      const behaviour = isSplitBehaviour(step.behavior) ? step.behavior : "Isolated";
      return ({ text, isFirst }) =>
        splitAt(text, expression, behaviour, step.invert === true).map(({ start, end }) => ({
          text: text.slice(start, end),
          isFirst: isFirst && start === 0,
        }));
    }
    case "Metaspace": {
      const mark = typeof step.replacement === "string" ? step.replacement : "▁";
      const scheme = step.prepend_scheme ?? (step.add_prefix_space === false ? "never" : "always");
      return ({ text, isFirst }) => {
        const marked = text.replaceAll(" ", mark);
        const prefixed = scheme === "always" || (scheme === "first" && isFirst);
        return [{ text: prefixed && !marked.startsWith(mark) ? mark + marked : marked, isFirst }];
      };
    }
    case "ByteLevel":
      return ({ text, isFirst }) => {
        const prefixed = step.add_prefix_space === true && !text.startsWith(" ") ? ` ${text}` : text;
        return [{ text: step.alphabet === false ? prefixed : byteLevelText(prefixed), isFirst }];
      };
    case "FixedLength":
      return ({ text, isFirst }) => {
        const characters = Array.from(text);
        const length = Number(step.length ?? 5);
        return Array.from({ length: Math.ceil(characters.length / length) }, (_, index) => ({
          text: characters.slice(index * length, (index + 1) * length).join(""),
          isFirst: isFirst && index === 0,
        }));
      };
    default:
      throw new Error(`no pre-tokenizer ${JSON.stringify(step.type)}`); // assertSupported named it before
  }
}

function isEmptyString(pattern: unknown): boolean {
  return isObject(pattern) && pattern.String === "";
}

/** Splits each piece into the expression's matches and the text between them, until there are `enough`. */
function splitAll(pieces: readonly string[], expression: RegExp, enough: number): string[] {
  const result: string[] = [];
  for (const piece of pieces) {
    let done = 0;
    expression.lastIndex = 0;
    while (done < piece.length) {
      if (result.length >= enough) return result;
      const match = expression.exec(piece);
      if (match === null) break;
      if (match.index > done) result.push(piece.slice(done, match.index));
      if (match[0] === "") expression.lastIndex += (piece.codePointAt(match.index) ?? 0) > 0xffff ? 2 : 1;
      else result.push(match[0]);
      done = match.index + match[0].length;
    }
    if (done < piece.length) result.push(piece.slice(done));
  }
  return result;
}
