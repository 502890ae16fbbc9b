// Groups copies of cached tokens into batches. A device reads all vectors of a batch before it writes one; the result
// is still that of the copies one after another.

/** `count` tokens of row `sourceRow`, from position `from` on, to positions `to` .. of row `targetRow`. */
export interface TokenCopy<Area> {
  readonly source: Area;
  readonly sourceRow: number;
  readonly from: number;
  readonly target: Area;
  readonly targetRow: number;
  readonly to: number;
  readonly count: number;
}

type Batch<Area> = [TokenCopy<Area>, ...TokenCopy<Area>[]];

/** The batches in order, each of one source and target area and at most `maxTokens` tokens; longer copies are split. */
export function copyBatches<Area>(
  copies: readonly TokenCopy<Area>[],
  maxTokens: number,
): readonly Batch<Area>[] {
  const batches: Batch<Area>[] = [];
  let tokens = 0;
  for (const copy of copies.flatMap((copy) => split(copy, maxTokens))) {
    const batch = batches.at(-1);
    if (batch === undefined || tokens + copy.count > maxTokens || !isIndependent(copy, batch)) {
      batches.push([copy]);
      tokens = copy.count;
    } else {
      batch.push(copy);
      tokens += copy.count;
    }
  }
  return batches;
}

/** Whether the copy neither reads nor overwrites what the batch writes. */
function isIndependent<Area>(copy: TokenCopy<Area>, batch: Batch<Area>): boolean {
  const [first] = batch;
  if (copy.source !== first.source || copy.target !== first.target) return false;
  const within = copy.source === copy.target;
  return batch.every(
    (earlier) =>
      !(earlier.targetRow === copy.targetRow && overlap(earlier.to, earlier.count, copy.to, copy.count)) &&
      !(
        within &&
        earlier.targetRow === copy.sourceRow &&
        overlap(earlier.to, earlier.count, copy.from, copy.count)
      ),
  );
}

const overlap = (a: number, aCount: number, b: number, bCount: number): boolean =>
  a < b + bCount && b < a + aCount;

function split<Area>(copy: TokenCopy<Area>, maxTokens: number): TokenCopy<Area>[] {
  const pieces: TokenCopy<Area>[] = [];
  for (let at = 0; at < copy.count; at += maxTokens) {
    const count = Math.min(maxTokens, copy.count - at);
    pieces.push({ ...copy, from: copy.from + at, to: copy.to + at, count });
  }
  return pieces;
}
