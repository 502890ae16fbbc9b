// Which part of the MAGs each recipe learns from. It knows no losses: what a selection leaves is all there is to say.

import { MagdiError } from "../../errors.ts";
import { type Mag, withNodes } from "./mag-schema.ts";

/** One teacher's right nodes (single-teacher distillation). @throws MAGDI_BAD_CONFIG naming the teachers there are */
export function teacherCorrect(mags: readonly Mag[], agent: string): Mag[] {
  const agents = new Set(mags.flatMap(({ nodes }) => nodes.map((node) => node.agent)));
  if (!agents.has(agent)) {
    throw new MagdiError(
      "MAGDI_BAD_CONFIG",
      `agent: expected one of ${[...agents].sort().join(", ")}, found ${agent}`,
    );
  }
  return select(mags, (node) => node.agent === agent && node.label === 1);
}

/** Right nodes of round 0: independent answers, no interaction (level 1). */
export function roundZeroCorrect(mags: readonly Mag[]): Mag[] {
  return select(mags, ({ round, label }) => round === 0 && label === 1);
}

/** All right nodes (level 2). */
export function allCorrect(mags: readonly Mag[]): Mag[] {
  return select(mags, ({ label }) => label === 1);
}

/** All nodes, no edges (level 3). */
export function allNodes(mags: readonly Mag[]): Mag[] {
  return mags.map((mag) => ({ ...mag, edges: [] }));
}

/** All nodes and edges (level 4). */
export function wholeGraphs(mags: readonly Mag[]): Mag[] {
  return [...mags];
}

/** Graphs of at most `maxRound` rounds after round 0: 2 leaves out G3, the densest. */
export function withoutDensest(mags: readonly Mag[], maxRound = 2): Mag[] {
  return mags.filter(({ nodes }) => nodes.every(({ round }) => round <= maxRound));
}

/** The first `count`, for learning curves over the amount of data. */
export function firstMags(mags: readonly Mag[], count: number): Mag[] {
  return mags.slice(0, count);
}

/**
 * Two parts for training and validation, by question: graphs of one question are never on both sides. `random` gives
 * numbers of [0, 1); about `fraction` of the questions, at least one, are held out. Order within a part is kept.
 */
export function heldOut(
  mags: readonly Mag[],
  fraction: number,
  random: () => number,
): { training: Mag[]; validation: Mag[] } {
  const drawn = new Map<string, number>();
  for (const mag of mags) if (!drawn.has(questionKey(mag))) drawn.set(questionKey(mag), random());
  const count = fraction <= 0 ? 0 : Math.max(1, Math.round(fraction * drawn.size));
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

function select(mags: readonly Mag[], keep: Parameters<typeof withNodes>[1]): Mag[] {
  return mags.flatMap((mag) => withNodes(mag, keep) ?? []);
}
