// Splits MAGs by question, for training, validation and held-out data, and the key that identifies a question.

import { createHash } from "node:crypto";
import type { Mag } from "./mag-schema.ts";

/**
 * A training and validation split by question. `random` gives numbers in [0, 1). About `fraction` of the questions are held
 * out, at least one, and at least one stays for training. Keeps the order within a part.
 */
export function heldOut<T extends Pick<Mag, "question">>(
  mags: readonly T[],
  fraction: number,
  random: () => number,
): { training: T[]; validation: T[] } {
  const drawn = new Map<string, number>();
  for (const mag of mags) if (!drawn.has(questionKey(mag))) drawn.set(questionKey(mag), random());
  const wanted = fraction <= 0 ? 0 : Math.max(1, Math.round(fraction * drawn.size));
  const count = Math.min(wanted, Math.max(0, drawn.size - 1));
  const ordered = [...drawn].sort((a, b) => a[1] - b[1]);
  const out = new Set(ordered.slice(0, count).map(([question]) => question));
  return {
    training: mags.filter((mag) => !out.has(questionKey(mag))),
    validation: mags.filter((mag) => out.has(questionKey(mag))),
  };
}

/** The question without differences in spaces and case. */
export function questionKey({ question }: Pick<Mag, "question">): string {
  return question.toLowerCase().replace(/\s+/g, " ").trim();
}

/**
 * Whether a question is in the `share` (0 to 1) held out under `seed`. Depends on the question only, so that it is the same
 * in every file and order.
 */
export function isHeldOut(mag: Pick<Mag, "question">, share: number, seed: number): boolean {
  const hash = createHash("sha256")
    .update(`${seed}\n${questionKey(mag)}`)
    .digest();
  return hash.readUIntBE(0, 6) / 2 ** 48 < share;
}
