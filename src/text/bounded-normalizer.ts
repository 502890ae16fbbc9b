// Applies a tokenizer's normalizers one by one, and ends when they make a text far longer.

import type { Normalizer } from "./library-normalizers.ts";

/** Published normalizers make a text up to three times as long, and some a short text longer by what they put before it. */
const MAX_GROWTH = 16;
const SOME_UNITS = 4096;

/** Thrown when a text grows too much. */
export class GrowthError extends Error {
  override readonly name = "GrowthError";

  constructor() {
    super(`the normalizer makes a text more than ${MAX_GROWTH} times as long`);
  }
}

/** @throws GrowthError */
export function normalizedBy(steps: readonly Normalizer[], text: string): string {
  const most = MAX_GROWTH * text.length + SOME_UNITS;
  let normalized = text;
  for (const step of steps) {
    normalized = step.normalize(normalized);
    if (normalized.length > most) throw new GrowthError();
  }
  return normalized;
}
