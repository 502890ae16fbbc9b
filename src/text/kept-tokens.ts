// Which tokens of a byte-pair vocabulary a smaller one keeps: those that texts use, with the tokens that lead to them by
// merges. It knows no files.

import { mergePair } from "./byte-pair-encoder.ts";

interface KeptTokensOptions {
  readonly idOf: ReadonlyMap<string, number>;
  /** As in tokenizer.json. */
  readonly merges: readonly unknown[];
  /** Kept whatever the texts are. */
  readonly required: Iterable<number>;
  /** How often the texts use each token. */
  readonly counts: ReadonlyMap<number, number>;
  /** How many tokens to keep at most. Default: those that are required or used, with their parts. */
  readonly size: number | null;
  /** The file that the merges are from, for errors. */
  readonly origin: string;
}

export interface KeptTokens {
  /** Ascending. */
  readonly ids: Int32Array;
  /** How many tokens `required` needs, parts included; more than `size` when they do not fit. */
  readonly least: number;
}

/**
 * The required tokens, then the used ones from the most frequent on, then, up to `size`, the results of the first merges,
 * which are the most frequent ones of the vocabulary's own training: at first those in the characters of what is kept.
 *
 * A word whose tokens are kept is split as before: all merges that made its tokens are kept, in their order, and no others
 * come between. What a token is made of does not depend on the word that it is in.
 */
export function keptTokens({ idOf, merges, required, counts, size, origin }: KeptTokensOptions): KeptTokens {
  const pairs = merges.map((merge, rank) => mergePair(merge, rank, origin));
  const ranks = new Map(pairs.map(([left, right], rank) => [pairKey(left, right), rank]));
  const texts = new Map([...idOf].map(([text, id]) => [id, text]));
  const room = size ?? Number.POSITIVE_INFINITY;
  const kept = new Set<number>();
  const missing = (id: number): Set<number> => {
    const text = texts.get(id);
    const parts = text === undefined ? [] : partsOf(text, ranks, idOf);
    return new Set([id, ...parts].filter((part) => !kept.has(part)));
  };
  const keep = (id: number): void => {
    const added = missing(id);
    if (kept.size + added.size <= room) for (const part of added) kept.add(part);
  };
  const least = new Set<number>();
  for (const id of required) for (const part of missing(id)) least.add(part);
  for (const id of least) kept.add(id);
  const used = [...counts].sort(([a, many], [b, more]) => more - many || a - b);
  for (const [id] of used) if (!kept.has(id)) keep(id);
  if (size !== null) {
    const characters = new Set([...kept].flatMap((id) => [...(texts.get(id) ?? "")]));
    for (const anyCharacters of [false, true]) {
      for (const [left, right] of pairs) {
        if (kept.size >= room) break;
        const text = left + right;
        const id = idOf.get(text);
        if (id === undefined || kept.has(id)) continue;
        if (anyCharacters || [...text].every((character) => characters.has(character))) keep(id);
      }
    }
  }
  return { ids: Int32Array.from(kept).sort(), least: least.size };
}

/** The ids of the characters and merges that lead to a token; none when merges do not lead to it. */
function partsOf(
  text: string,
  ranks: ReadonlyMap<string, number>,
  idOf: ReadonlyMap<string, number>,
): number[] {
  const pieces = [...text];
  const parts: number[] = [];
  const add = (piece: string): boolean => {
    const id = idOf.get(piece);
    if (id !== undefined) parts.push(id);
    return id !== undefined;
  };
  if (!pieces.every(add)) return [];
  while (pieces.length > 1) {
    let at = -1;
    let best = Number.POSITIVE_INFINITY;
    for (let i = 0; i + 1 < pieces.length; i++) {
      const rank = ranks.get(pairKey(pieces[i]!, pieces[i + 1]!)) ?? best;
      if (rank < best) {
        best = rank;
        at = i;
      }
    }
    if (at < 0) return [];
    pieces.splice(at, 2, pieces[at]! + pieces[at + 1]!);
    add(pieces[at]!);
  }
  return parts;
}

/** A pair as one text: the length tells where the left one ends. */
function pairKey(left: string, right: string): string {
  return `${left.length} ${left}${right}`;
}
