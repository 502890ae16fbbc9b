// How the rows of a batch lie in sequences: each in one of its own, or the chains of a graph behind the prompt that all
// of them have, so that it is computed once. It knows token ids only.

import type { TrainingRow, TrainingUnit } from "./training-unit.ts";

/** Sequences [rows, columns], padded on the right. */
export interface SequenceLayout {
  readonly tokenIds: BigInt64Array;
  readonly rows: number;
  readonly columns: number;
  /** [rows]: tokens that are no padding */
  readonly lengths: Int32Array;
  /** row · columns + column of token t of a node; nodes count through the units. */
  readonly placeOf: (node: number, t: number) => number;
  /** Null where each node has a sequence of its own. */
  readonly shared: SharedPlaces | null;
}

/** Where tokens are that several nodes may have in common. */
export interface SharedPlaces {
  readonly nodes: number;
  /** [rows · columns]: a token's place in its prompt and chain, as if no other chain were there */
  readonly positions: BigInt64Array;
  /** [rows · columns]: 0 in the prompt and on padding, else which chain of its sequence */
  readonly chains: BigInt64Array;
}

/** Node n in sequence n. */
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

/** Attention grows with the square of a sequence: chains beyond this go behind the prompt once more. */
const LONGEST_SHARED = 512;

/** A unit's nodes, sequence by sequence, and the tokens of each sequence. */
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

/** The nodes of each unit begin with one prompt. */
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
