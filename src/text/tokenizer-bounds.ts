// What the steps of a tokenizer.json may do to a text: its normalizers and pre-tokenizers as flat lists, and errors for
// those that make a text far longer, or never end. It runs none of them.

import { MagdiError } from "../base/errors.ts";
import { isObject, type JsonObject, shown } from "../base/files/json-file.ts";

/** Published tokenizers have up to some dozens, of which most replace a character. */
const MAX_STEPS = 256;
/** Of a text that is searched for, or that replaces another. */
const MAX_PART_CHARACTERS = 256;
/** Times as long as what is replaced. */
const MAX_REPLACEMENT_GROWTH = 16;
/** Tokens that are put around every text. */
const MAX_SPECIAL_TOKENS = 64;
/** Each makes up to two characters of one. */
const MAX_BYTE_LEVELS = 2;

/** @throws MAGDI_UNSUPPORTED naming a step of a `normalizer` that may make a text far longer */
export function checkNormalizers(normalizer: unknown, origin: string): void {
  const where = "normalizer";
  const steps = normalizerSteps(normalizer);
  expectFew(steps, where, origin);
  for (const step of steps) {
    if (step.type === "Prepend") expectShort(step.prepend, step, where, origin);
    if (step.type === "Replace") checkReplacement(step, where, origin);
  }
}

/** The steps of a `normalizer` as they are written; `onOther` is told what is no step at all. */
export const normalizerSteps = (normalizer: unknown, onOther?: (found: unknown) => void): JsonObject[] =>
  flattened(normalizer, "normalizers", onOther);

/** @throws MAGDI_UNSUPPORTED naming a step that may make a text far longer, or never end */
export function checkPreTokenizers(steps: readonly JsonObject[], origin: string): void {
  const where = "pre_tokenizer";
  expectFew(steps, where, origin);
  for (const step of steps) {
    switch (step.type) {
      case "Split":
        checkPattern(step, where, origin);
        break;
      case "FixedLength":
        if (!(Number.isInteger(step.length) && Number(step.length) > 0)) {
          throw unsupported(step, "expected a length of at least 1", where, origin);
        }
        break;
      case "Metaspace": {
        const { replacement = "▁", str_rep = replacement } = step;
        const isOne = [replacement, str_rep].every(
          (text) => typeof text === "string" && [...text].length === 1,
        );
        if (!isOne) throw unsupported(step, "expected a replacement of one character", where, origin);
        break;
      }
      case "Replace":
        throw unsupported(step, "only normalizers replace", where, origin);
      default:
    }
  }
  if (steps.filter(({ type }) => type === "ByteLevel").length > MAX_BYTE_LEVELS) {
    throw new MagdiError("MAGDI_UNSUPPORTED", `${origin}: ${where}: expected one ByteLevel`);
  }
}

/** @throws MAGDI_BAD_FILE for a post_processor that is not well formed, MAGDI_UNSUPPORTED for one that adds many tokens
 * or repeats the text */
export function checkPostProcessor(postProcessor: unknown, origin: string): void {
  const where = "post_processor";
  let special = 0;
  const steps = flattened(postProcessor, "processors");
  expectFew(steps, where, origin);
  for (const step of steps) {
    if (step.type === "BertProcessing" || step.type === "RobertaProcessing") {
      const isNamed = [step.cls, step.sep].every(
        (token) => Array.isArray(token) && typeof token[0] === "string",
      );
      if (!isNamed) throw unsupported(step, "expected cls and sep, each a token and its id", where, origin);
      special += 2;
    }
    if (step.type !== "TemplateProcessing") continue;
    const single: unknown[] = Array.isArray(step.single) ? step.single : [];
    if (single.length > MAX_SPECIAL_TOKENS + 1) throw tooManyTokens(single.length, where, origin);
    const texts = single.filter(
      (part) => isObject(part) && isObject(part.Sequence) && part.Sequence.id === "A",
    ).length;
    const tokens = single.filter(
      (part) => isObject(part) && isObject(part.SpecialToken) && typeof part.SpecialToken.id === "string",
    ).length;
    if (texts !== 1 || texts + tokens !== single.length) {
      throw unsupported(step, "expected single: special tokens, and the text once", where, origin);
    }
    special += tokens;
  }
  if (special > MAX_SPECIAL_TOKENS) throw tooManyTokens(special, where, origin);
}

function tooManyTokens(found: number, where: string, origin: string): MagdiError {
  return new MagdiError(
    "MAGDI_UNSUPPORTED",
    `${origin}: ${where}: puts ${found} tokens around each text, at most ${MAX_SPECIAL_TOKENS} are expected`,
  );
}

/** @throws MAGDI_UNSUPPORTED when it makes a text far longer */
function checkReplacement(step: JsonObject, where: string, origin: string): void {
  const replaced = checkPattern(step, where, origin);
  const content = expectShort(step.content ?? "", step, where, origin);
  if (content.length > MAX_REPLACEMENT_GROWTH * replaced) {
    const most = `at most ${MAX_REPLACEMENT_GROWTH} times as long`;
    throw unsupported(step, `expected a content ${most} as what it replaces`, where, origin);
  }
}

/** The least length of what a pattern matches. */
function checkPattern(step: JsonObject, where: string, origin: string): number {
  const { pattern } = step;
  if (isObject(pattern) && typeof pattern.Regex === "string") return 1; // unless it matches nothing, once a character
  if (!isObject(pattern)) throw unsupported(step, "expected a pattern", where, origin);
  return Math.max(1, expectShort(pattern.String, step, where, origin).length);
}

function expectShort(text: unknown, step: JsonObject, where: string, origin: string): string {
  if (typeof text === "string" && text.length <= MAX_PART_CHARACTERS) return text;
  throw unsupported(step, `expected texts of at most ${MAX_PART_CHARACTERS} characters`, where, origin);
}

function expectFew(steps: readonly JsonObject[], where: string, origin: string): void {
  if (steps.length <= MAX_STEPS) return;
  throw new MagdiError(
    "MAGDI_UNSUPPORTED",
    `${origin}: ${where}: has ${steps.length} steps, at most ${MAX_STEPS} are expected`,
  );
}

function flattened(step: unknown, list: string, onOther?: (found: unknown) => void): JsonObject[] {
  if (!isObject(step)) {
    if (step !== null && step !== undefined) onOther?.(step);
    return [];
  }
  if (step.type !== "Sequence") return [step];
  const steps = step[list];
  return Array.isArray(steps) ? steps.flatMap((inner) => flattened(inner, list, onOther)) : [];
}

function unsupported(step: JsonObject, expected: string, where: string, origin: string): MagdiError {
  return new MagdiError("MAGDI_UNSUPPORTED", `${origin}: ${where}: ${expected}, found ${shown(step)}`);
}
