// The normalised adjacency matrix of an interaction graph, by which a graph convolution mixes nodes.

import type { Edge } from "../../mag/mag-schema.ts";

export const ADJACENCIES = ["directed", "undirected", "fully-connected"] as const;
export type Adjacency = (typeof ADJACENCIES)[number];

/**
 * Â [n, n] = D^-½ (A + I) D^-½, row-major, with A[target, source] = 1 and D the row sums of A + I: in-degrees with the
 * self loop, as PyTorch Geometric normalises. Directed graphs give a matrix that is not symmetric.
 *
 * @example normalisedAdjacency(2, [[0, 1]], "directed") // [1, 0, 1/√2, 1/2]
 */
export function normalisedAdjacency(n: number, edges: readonly Edge[], kind: Adjacency): Float32Array {
  const sums = new Float64Array(n * n).fill(kind === "fully-connected" ? 1 : 0);
  for (let i = 0; i < n; i++) sums[i * n + i] = 1;
  if (kind !== "fully-connected") {
    for (const [from, to] of edges) {
      sums[to * n + from] = 1;
      if (kind === "undirected") sums[from * n + to] = 1;
    }
  }
  const scale = new Float64Array(n);
  for (let i = 0; i < n; i++) {
    let degree = 0;
    for (let j = 0; j < n; j++) degree += sums[i * n + j]!;
    scale[i] = 1 / Math.sqrt(degree);
  }
  return Float32Array.from(sums, (value, at) => scale[Math.floor(at / n)]! * value * scale[at % n]!);
}
