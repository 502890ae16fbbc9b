// Which known names a mistyped one is nearest to.

/** Of names, those that contain `given` or that the fewest edits make of it, at most three; none where all are quite
 * different. */
export function nearestNames(given: string, names: readonly string[]): string[] {
  const wanted = plain(given.slice(0, MAX_CHARS));
  const most = Math.max(2, Math.floor(wanted.length / 2));
  return names
    .map((name) => ({ name, edits: contains(name, wanted) ? 0 : edits(wanted, plain(name)) }))
    .filter(({ edits }) => edits <= most)
    .sort((a, b) => a.edits - b.edits)
    .slice(0, MAX_NAMES)
    .map(({ name }) => name);
}

const MAX_CHARS = 64;
const MAX_NAMES = 3;
const MIN_PART_CHARS = 3;

const contains = (name: string, part: string): boolean =>
  part.length >= MIN_PART_CHARS && plain(name).includes(part);

/** drain_timeout_ms and Drain-Timeout-Ms are drainTimeoutMs to who types them. */
const plain = (name: string): string => name.replace(/[-_]/g, "").toLowerCase();

/** Levenshtein's distance: insertions, deletions and replacements of a character. */
function edits(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[b.length]!;
}
