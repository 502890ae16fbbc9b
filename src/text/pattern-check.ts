// The regular expressions of a tokenizer.json that a text is searched with: which are not known to take linear time, and
// whether those pass a trial.

import { MagdiError } from "../base/errors.ts";
import { isObject, type JsonObject, shown } from "../base/files/json-file.ts";
import { libraryNormalizers } from "./library-normalizers.ts";
import { findUncompilable } from "./pattern-compilation.ts";
import { MAX_PATTERN_CHARACTERS, tryPattern } from "./pattern-trial.ts";
import { LINEAR_SPLITS, preTokenizerSteps } from "./pre-tokenizers.ts";
import { normalizerSteps } from "./tokenizer-bounds.ts";

interface UnprovenPattern {
  readonly component: "normalizer" | "pre_tokenizer";
  readonly regex: string;
}

/** Published tokenizers have up to five. */
const MAX_PATTERNS = 32;

/** Expressions that were found sound in this process, as it opens the same tokenizer several times. */
const sound = new Set<string>();

export function unprovenPatterns(tokenizer: JsonObject): UnprovenPattern[] {
  const found = new Map<string, UnprovenPattern>();
  const look = (component: UnprovenPattern["component"], steps: readonly JsonObject[]): void => {
    for (const { pattern } of steps) {
      const regex = isObject(pattern) ? pattern.Regex : undefined;
      if (typeof regex === "string" && !LINEAR_SPLITS.has(regex)) found.set(regex, { component, regex });
    }
  };
  look("normalizer", normalizerSteps(tokenizer.normalizer));
  look("pre_tokenizer", preTokenizerSteps(tokenizer.pre_tokenizer));
  return [...found.values()];
}

/**
 * Tries the expressions that are not known, some hundredths of a second each.
 * @throws MAGDI_UNSUPPORTED naming one that takes far more time for some texts than for others, or that JavaScript lacks
 */
export async function assertPatternsSound(tokenizer: JsonObject, origin: string): Promise<void> {
  const untried = unprovenPatterns(tokenizer).filter(({ regex }) => !sound.has(regex));
  if (untried.length === 0) return;
  if (untried.length > MAX_PATTERNS) {
    throw new MagdiError(
      "MAGDI_UNSUPPORTED",
      `${origin}: expected at most ${MAX_PATTERNS} regular expressions, found ${untried.length}`,
    );
  }
  const patterns = untried.map((unproven) => expressionOf(unproven, origin));
  const uncompilable = await findUncompilable(patterns).catch((cause: unknown) => {
    throw new MagdiError(
      "MAGDI_UNSUPPORTED",
      `${origin}: no process to try its regular expressions: ${String(cause)}`,
      {
        cause,
      },
    );
  });
  for (const [index, pattern] of patterns.entries()) {
    const unproven = untried[index]!; // as many as patterns
    const problem = index === uncompilable ? "it cannot be compiled in time" : tryPattern(pattern);
    if (problem !== null) throw unusable(unproven, problem, origin);
    sound.add(unproven.regex);
  }
}

/** As the library translates it. */
function expressionOf(unproven: UnprovenPattern, origin: string): RegExp {
  const { regex } = unproven;
  if (regex.length > MAX_PATTERN_CHARACTERS) {
    throw unusable(
      unproven,
      `it has ${regex.length} characters, at most ${MAX_PATTERN_CHARACTERS} are expected`,
      origin,
    );
  }
  try {
    const pattern = libraryNormalizers([{ type: "Replace", pattern: { Regex: regex } }])[0]?.pattern;
    if (!pattern) throw new Error("it is none");
    return pattern;
  } catch (cause) {
    throw unusable(unproven, String(cause), origin);
  }
}

function unusable({ component, regex }: UnprovenPattern, problem: string, origin: string): MagdiError {
  return new MagdiError(
    "MAGDI_UNSUPPORTED",
    `${origin}: ${component}: the regular expression ${shown(regex)} cannot be used: ${problem}`,
  );
}
