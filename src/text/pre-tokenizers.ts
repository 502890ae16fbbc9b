// Pre-tokenizers: how text is split into words before merging, by a GGUF file's tokenizer.ggml.pre and by the
// pre_tokenizer of a tokenizer.json.

import { MagdiError } from "../base/errors.ts";
import { isObject, type JsonObject } from "../base/files/json-file.ts";
import { byteLevelText } from "./byte-level-alphabet.ts";

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

/** Expressions that split every text in linear time. Others are tried before they are used. */
export const LINEAR_SPLITS: ReadonlySet<string> = new Set([
  ...[...preTokenizers.values()].flatMap(({ splits }) => splits),
  ...["\\p{N}+", markedWords("▁")],
]);

/**
 * The steps of tokenizer.json's pre_tokenizer as a flat list. For Digits and ByteLevel the JavaScript library splits with
 * JavaScript's \d and \s where the Rust library, the reference, takes any Unicode number and White_Space; and it does not
 * split Metaspace's words. It translates the expressions of Split correctly, so all of these become Splits.
 */
export function preTokenizerSteps(step: unknown): readonly JsonObject[] {
  if (!isObject(step)) return [];
  switch (step.type) {
    case "Sequence":
      return Array.isArray(step.pretokenizers) ? step.pretokenizers.flatMap(preTokenizerSteps) : [];
    case "Digits":
      return [splitStep(step.individual_digits === true ? "\\p{N}" : "\\p{N}+")];
    case "ByteLevel":
      if (step.use_regex === false || step.add_prefix_space === true) return [step];
      return [splitStep(GPT2_WORDS), { ...step, use_regex: false }];
    case "Split":
      return isObject(step.pattern) && step.pattern.Regex === "\\s+$"
        ? [{ ...step, pattern: { Regex: LAST_SPACES } }]
        : [step];
    case "Metaspace":
      return step.split === false ? [step] : [step, splitStep(markedWords(step.replacement))];
    default:
      return [step];
  }
}

/** Metaspace's words: each of its marks begins one. */
function markedWords(replacement: unknown): string {
  const mark = typeof replacement === "string" ? replacement : "▁";
  const code = `\\u{${mark.codePointAt(0)?.toString(16)}}`;
  return `${code}[^${code}]*|[^${code}]+`;
}

export function splitStep(regex: string): JsonObject {
  return { type: "Split", pattern: { Regex: regex }, behavior: "Isolated", invert: false };
}

/**
 * A splitter for isolated Splits followed by ByteLevel, which all byte-level students have; null for other steps. Same
 * result as the library's in a third of the time, which a megabyte of digits needs. It stops after `limit` + 1 words.
 * @param patterns each Split's expression as JavaScript's
 */
export function createWordSplitter(
  steps: readonly JsonObject[],
  patterns: readonly (RegExp | undefined)[],
): ((text: string, limit: number) => string[]) | null {
  const last = steps.at(-1);
  if (last?.type !== "ByteLevel" || last.use_regex !== false || last.add_prefix_space === true) return null;
  const expressions: RegExp[] = [];
  for (const [i, step] of steps.slice(0, -1).entries()) {
    const pattern = patterns[i];
    if (step.type !== "Split" || step.behavior !== "Isolated" || step.invert === true || !pattern)
      return null;
    expressions.push(new RegExp(linearSource(pattern.source), pattern.flags));
  }
  return (text, limit) => {
    let pieces = [text];
    for (const expression of expressions) pieces = splitAll(pieces, expression, limit + 1);
    for (let i = 0; i < pieces.length; i++) pieces[i] = byteLevelText(pieces[i]!);
    return pieces;
  };
}

/** DeepSeek's \s+$, as the library writes it. */
const SPACES_AT_END = String.raw`\p{White_Space}+(?:(?=\n)|(?![\s\S]))`;

/**
 * An expression with the same matches that needs no quadratic time: \s+$ tries each place of a run of spaces anew, though
 * only the first can match.
 */
function linearSource(source: string): string {
  return source === SPACES_AT_END ? String.raw`(?<!\p{White_Space})${source}` : source;
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
