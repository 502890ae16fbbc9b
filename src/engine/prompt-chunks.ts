// How a prompt is cut into chunks, so that no position is ever the lone row of a kernel's tile: kernels add such a row
// up in another order, and its last bits would tell where the prompt was cut. It knows lengths only.

/** Kernels work in tiles of this many rows, or a multiple. */
const TILE_ROWS = 16;
/** What stays for a chunk of its own when the last one would end with a lone row. */
const REST = 3;

/**
 * Length of the next chunk when `left` tokens are left: at most `mostTokens`, which is even and at least 4. Every chunk
 * but the last is even, and none is one more than whole tiles except a prompt of a single token.
 */
export function nextChunkTokens(left: number, mostTokens: number): number {
  if (left > mostTokens + 1) return mostTokens;
  const endsAlone = left === mostTokens + 1 || (left > 1 && left % TILE_ROWS === 1);
  return endsAlone ? left - REST : left;
}
