// How the nodes of a batch are laid out in sequences: each in one of its own, or packed, with the chains of a graph after
// the prompt that they share, which is then computed once.

import type { TrainingRow, TrainingUnit } from "./training-unit.ts";

/** Sequences [rows, columns], padded on the right. */
export interface SequenceLayout {
  readonly tokenIds: BigInt64Array;
  readonly rows: number;
  readonly columns: number;
  /** [rows]: tokens without padding */
  readonly lengths: Int32Array;
  /** row · columns + column of token t of a node; nodes are numbered through all units. */
  readonly placeOf: (node: number, t: number) => number;
  /** Null where each node has a sequence of its own. */
  readonly shared: SharedPlaces | null;
}

/** The layout of packed sequences, whose prompts are shared by several nodes. */
export interface SharedPlaces {
  readonly nodes: number;
  /** [rows · columns]: a token's position in its prompt and chain, as if there were no other chain */
  readonly positions: BigInt64Array;
  /** [rows · columns]: 0 in the prompt and on padding, else the chain of its sequence, from 1 */
  readonly chains: BigInt64Array;
}

/** Without packing: node n is sequence n. */
export function ownSequences(nodes: readonly TrainingRow[], padTokenId: number): SequenceLayout {
  const rows = nodes.length;
  const columns = Math.max(...nodes.map(({ tokenIds }) => tokenIds.length));
  const tokenIds = new BigInt64Array(rows * columns).fill(BigInt(padTokenId));
  for (const [row, node] of nodes.entries())
    tokenIds.set(BigInt64Array.from(node.tokenIds, BigInt), row * columns);
  return {
    tokenIds,
    rows,
    columns,
    lengths: Int32Array.from(nodes, (node) => node.tokenIds.length),
    placeOf: (node, t) => node * columns + t,
    shared: null,
  };
}

/** Tokens of a packed sequence at most, since attention is quadratic in its length: further chains start a new sequence
 * with the prompt again. */
const LONGEST_SHARED = 512;

/** How the nodes of a unit are packed: the nodes of each sequence, and its length in tokens. */
export function chainsTogether({ rows }: TrainingUnit): { nodes: TrainingRow[]; length: number }[] {
  const sequences: { nodes: TrainingRow[]; length: number }[] = [];
  for (const node of rows) {
    const last = sequences.at(-1);
    const completion = node.tokenIds.length - node.promptLength;
    if (last !== undefined && last.length + completion <= LONGEST_SHARED) {
      last.nodes.push(node);
      last.length += completion;
    } else sequences.push({ nodes: [node], length: node.tokenIds.length });
  }
  return sequences;
}

/** Packed sequences. All nodes of a unit must begin with the same prompt. */
export function sharedSequences(units: readonly TrainingUnit[], padTokenId: number): SequenceLayout {
  const sequences = units.flatMap(chainsTogether);
  const rows = sequences.length;
  const columns = Math.max(...sequences.map(({ length }) => length));
  const tokenIds = new BigInt64Array(rows * columns).fill(BigInt(padTokenId));
  const [positions, chains] = [new BigInt64Array(rows * columns), new BigInt64Array(rows * columns)];
  const starts: { readonly prompt: number; readonly completion: number; readonly promptLength: number }[] =
    [];
  for (const [row, { nodes }] of sequences.entries()) {
    const prompt = row * columns;
    let at = prompt;
    for (const [chain, node] of nodes.entries()) {
      const { promptLength } = node;
      if (chain > 0) starts.push({ prompt, completion: at, promptLength });
      else starts.push({ prompt, completion: prompt + promptLength, promptLength });
      for (let t = chain > 0 ? promptLength : 0; t < node.tokenIds.length; t++, at++) {
        tokenIds[at] = BigInt(node.tokenIds[t]!); // below its length
        positions[at] = BigInt(t);
        chains[at] = t < promptLength ? 0n : BigInt(chain + 1);
      }
    }
  }
  return {
    tokenIds,
    rows,
    columns,
    lengths: Int32Array.from(sequences, ({ length }) => length),
    placeOf(node, t) {
      const { prompt, completion, promptLength } = starts[node]!; // one for each node
      return t < promptLength ? prompt + t : completion + t - promptLength;
    },
    shared: { nodes: starts.length, positions, chains },
  };
}
