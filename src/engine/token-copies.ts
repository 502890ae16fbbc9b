// Copies of tokens between rows, put together into batches whose result is that of one after the other although all
// vectors of a batch are read before one is written. It knows no memory.

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

/** In order, each batch of one source and target area and at most `mostTokens` tokens; longer copies are cut. */
export function batchesOf<Area>(
  copies: readonly TokenCopy<Area>[],
  mostTokens: number,
): readonly Batch<Area>[] {
  const batches: Batch<Area>[] = [];
  let tokens = 0;
  for (const copy of copies.flatMap((copy) => cut(copy, mostTokens))) {
    const batch = batches.at(-1);
    if (batch === undefined || tokens + copy.count > mostTokens || !joins(copy, batch)) {
      batches.push([copy]);
      tokens = copy.count;
    } else {
      batch.push(copy);
      tokens += copy.count;
    }
  }
  return batches;
}

/** Whether a copy neither reads nor writes what the batch writes. */
function joins<Area>(copy: TokenCopy<Area>, batch: Batch<Area>): boolean {
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

function cut<Area>(copy: TokenCopy<Area>, mostTokens: number): TokenCopy<Area>[] {
  const pieces: TokenCopy<Area>[] = [];
  for (let at = 0; at < copy.count; at += mostTokens) {
    const count = Math.min(mostTokens, copy.count - at);
    pieces.push({ ...copy, from: copy.from + at, to: copy.to + at, count });
  }
  return pieces;
}
