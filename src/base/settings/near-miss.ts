// The name that somebody meant who wrote another: one of few letters' difference, or one that shares its words.

/** Null when none is near. @example nearestName("learning_rat", ["learning-rate", "seed"]) // "learning-rate" */
export function nearestName(written: string, names: readonly string[]): string | null {
  const wanted = words(written);
  const scored = names.map((name) => ({ name, distance: distanceOf(wanted, words(name)) }));
  const nearest = scored.reduce<(typeof scored)[number] | null>(
    (best, one) => (one.distance < (best?.distance ?? Number.POSITIVE_INFINITY) ? one : best),
    null,
  );
  return nearest !== null && nearest.distance <= MOST_DISTANCE ? nearest.name : null;
}

const MOST_DISTANCE = 0.34;
/** Of whole words that one has and the other has not, as in num-train-epochs and epochs. */
const SAME_END = 0.3;

/** learningRate, learning_rate and learning-rate are the same. */
const words = (name: string): string =>
  name
    .replace(/[A-Z]/g, (letter) => `-${letter}`)
    .replaceAll("_", "-")
    .toLowerCase();

/** From 0, the same, to 1. */
function distanceOf(written: string, name: string): number {
  const share = edits(written, name) / Math.max(written.length, name.length, 1);
  const [short = "", long = ""] = [written, name].sort((a, b) => a.length - b.length);
  const ends = short.length >= 4 && (long.endsWith(`-${short}`) || long.startsWith(short));
  return ends ? Math.min(share, SAME_END) : share;
}

/** Letters to insert, leave out, change or swap with their neighbour (optimal string alignment). */
function edits(a: string, b: string): number {
  let [before, last] = [[] as number[], Array.from({ length: b.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let least = Math.min(last[j]! + 1, row[j - 1]! + 1, last[j - 1]! + (same ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        least = Math.min(least, before[j - 2]! + 1);
      }
      row.push(least);
    }
    [before, last] = [last, row];
  }
  return last[b.length]!;
}
