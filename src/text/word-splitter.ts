// Splitting text into a byte-level vocabulary's words by tokenizer.json's `pre_tokenizer`. It knows regular expressions
// and the byte alphabet; it does not know tokens.

import { isObject, type JsonObject } from "../base/files/json-file.ts";
import { byteLevelText } from "./byte-level-alphabet.ts";
import { GPT2_WORDS } from "./pre-tokenizers.ts";

/**
 * The steps of a pre-tokenizer, one level deep. The JavaScript library splits with JavaScript's \d and \s where the Rust
 * library, which is the reference, splits at any Unicode number and White_Space. It translates regular expressions in
 * Split faithfully, so Digits and ByteLevel's own expression become Splits, and so do Metaspace's words, which it leaves
 * together.
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
    case "Metaspace":
      return step.split === false ? [step] : [step, splitStep(markedWords(step.replacement))];
    default:
      return [step];
  }
}

/** What Metaspace cuts text into: each of its marks begins a word. */
function markedWords(replacement: unknown): string {
  const mark = typeof replacement === "string" ? replacement : "▁";
  const code = `\\u{${mark.codePointAt(0)?.toString(16)}}`;
  return `${code}[^${code}]*|[^${code}]+`;
}

function splitStep(regex: string): JsonObject {
  return { type: "Split", pattern: { Regex: regex }, behavior: "Isolated", invert: false };
}

/**
 * A splitter for Splits that keep everything, followed by ByteLevel: what all byte-level students have. It does what the
 * library does in a third of its time, which is what a megabyte of digits needs. It stops one word after the `most`th.
 * Null for other steps.
 * @param patterns each Split's expression as JavaScript's
 */
export function createWordSplitter(
  steps: readonly JsonObject[],
  patterns: readonly (RegExp | undefined)[],
): ((text: string, most: number) => string[]) | null {
  const last = steps.at(-1);
  if (last?.type !== "ByteLevel" || last.use_regex !== false || last.add_prefix_space === true) return null;
  const expressions: RegExp[] = [];
  for (const [i, step] of steps.slice(0, -1).entries()) {
    const pattern = patterns[i];
    if (step.type !== "Split" || step.behavior !== "Isolated" || step.invert === true || !pattern)
      return null;
    expressions.push(new RegExp(pattern.source, pattern.flags));
  }
  return (text, most) => {
    let pieces = [text];
    for (const expression of expressions) pieces = splitAll(pieces, expression, most + 1);
    for (let i = 0; i < pieces.length; i++) pieces[i] = byteLevelText(pieces[i]!);
    return pieces;
  };
}

/** Each piece cut into the expression's matches and what is between them, until there are `enough`. */
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
