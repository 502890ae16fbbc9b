// What makes two questions the same, and parts of MAGs that share no question. It knows no losses.

import { createHash } from "node:crypto";
import type { Mag } from "./mag-schema.ts";

/**
 * Two parts for training and validation, by question: graphs of one question are never on both sides. `random` gives
 * numbers of [0, 1); about `fraction` of the questions are held out: at least one, and one is left to learn from. Order
 * within a part is kept.
 */
export function heldOut(
  mags: readonly Mag[],
  fraction: number,
  random: () => number,
): { training: Mag[]; validation: Mag[] } {
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

/** The same question, however it is spaced or capitalised. */
export function questionKey({ question }: Pick<Mag, "question">): string {
  return question.toLowerCase().replace(/\s+/g, " ").trim();
}

/**
 * Whether a question is one of the `share` (0 to 1) that are held out under `seed`: by the question alone, so that it
 * is the same in every file, in whatever order they come.
 */
export function isHeldOut(mag: Pick<Mag, "question">, share: number, seed: number): boolean {
  const hash = createHash("sha256")
    .update(`${seed}\n${questionKey(mag)}`)
    .digest();
  return hash.readUIntBE(0, 6) / 2 ** 48 < share;
}
