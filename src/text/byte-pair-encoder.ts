// Byte-pair encoding of one pre-tokenized word by a vocabulary's merge ranks.

import { MagdiError } from "../base/errors.ts";

/** From this many symbols on a heap finds the next merge; below it, a scan of all pairs is faster. */
const HEAP_FROM_SYMBOLS = 48;
/** Words repeat, so their pieces are cached; longer ones hardly ever do. */
const CACHED_WORD_LENGTH = 48;
const CACHED_WORDS = 20_000;
/** A heap entry is rank · 2³¹ + position in one double, so ranks below 2²² and positions below 2³¹ compare exactly. */
const POSITION_SPAN = 2 ** 31;

/**
 * Merges pairs (Sennrich et al. 2016) by lowest rank first, the leftmost of equal ones, as the Rust tokenizers library
 * does. O(n log n) in the word's length: a megabyte without a space takes a fraction of a second.
 */
export class BytePairEncoder {
  readonly #idOf: ReadonlyMap<string, number>;
  readonly #texts: readonly (string | undefined)[];
  // Hash table with open addressing: a slot holds a pair's ids, its rank, and the id of their merge. Rank −1: empty.
  readonly #slotMask: number;
  readonly #slotLeft: Int32Array;
  readonly #slotRight: Int32Array;
  readonly #slotRank: Int32Array;
  readonly #slotMerged: Int32Array;
  readonly #pieces = new Map<string, readonly string[]>();

  /** @param merges as in tokenizer.json: each a pair, or a string with a space between the two.
   * @throws MAGDI_BAD_FILE when one is neither, or names a token that the vocabulary lacks. */
  constructor(
    idOf: ReadonlyMap<string, number>,
    texts: readonly (string | undefined)[],
    merges: readonly unknown[],
    origin: string,
  ) {
    this.#idOf = idOf;
    this.#texts = texts;
    let slots = 16;
    while (slots < merges.length * 2) slots *= 2;
    this.#slotMask = slots - 1;
    this.#slotLeft = new Int32Array(slots);
    this.#slotRight = new Int32Array(slots);
    this.#slotRank = new Int32Array(slots).fill(-1);
    this.#slotMerged = new Int32Array(slots);
    for (let rank = 0; rank < merges.length; rank++) {
      const [left, right] = mergePair(merges[rank], rank, origin);
      const leftId = idOf.get(left);
      const rightId = idOf.get(right);
      const mergedId = idOf.get(left + right);
      if (leftId === undefined || rightId === undefined || mergedId === undefined) {
        const missing = leftId === undefined ? left : rightId === undefined ? right : left + right;
        throw new MagdiError(
          "MAGDI_BAD_FILE",
          `${origin}: merge ${rank} (${JSON.stringify(left)} + ${JSON.stringify(right)}) needs the token ` +
            `${JSON.stringify(missing)}, which the vocabulary lacks`,
        );
      }
      const slot = this.#slot(leftId, rightId);
      this.#slotLeft[slot] = leftId;
      this.#slotRight[slot] = rightId;
      this.#slotRank[slot] = rank;
      this.#slotMerged[slot] = mergedId;
    }
  }

  /** The word's pieces. A character that the vocabulary lacks is a piece of its own. */
  split(word: string): readonly string[] {
    if (word.length >= CACHED_WORD_LENGTH) return this.#merge(word);
    let pieces = this.#pieces.get(word);
    if (pieces === undefined) {
      pieces = this.#merge(word);
      if (this.#pieces.size >= CACHED_WORDS) this.#pieces.clear();
      this.#pieces.set(word, pieces);
    }
    return pieces;
  }

  #merge(word: string): readonly string[] {
    const characters = Array.from(word);
    const n = characters.length;
    if (n < 2) return characters;
    const ids = new Int32Array(n);
    for (let i = 0; i < n; i++) ids[i] = this.#idOf.get(characters[i]!) ?? -1;
    const next = new Int32Array(n);
    if (n < HEAP_FROM_SYMBOLS) this.#mergeByScan(ids, next);
    else this.#mergeByHeap(ids, next);
    const pieces: string[] = [];
    for (let i = 0; i < n; i = next[i]!) {
      const id = ids[i]!;
      pieces.push(id < 0 ? characters[i]! : this.#texts[id]!);
    }
    return pieces;
  }

  /** ids [n] → merged ids at the positions reached from 0 through next [n]. O(n²), for short words. */
  #mergeByScan(ids: Int32Array, next: Int32Array): void {
    const n = ids.length;
    for (let i = 0; i < n; i++) next[i] = i + 1;
    for (;;) {
      let bestSlot = -1;
      let bestRank = POSITION_SPAN;
      let best = 0;
      for (let i = 0; next[i]! < n; i = next[i]!) {
        const slot = this.#slot(ids[i]!, ids[next[i]!]!);
        const rank = this.#slotRank[slot]!;
        if (rank >= 0 && rank < bestRank) {
          bestRank = rank;
          bestSlot = slot;
          best = i;
        }
      }
      if (bestSlot < 0) return;
      ids[best] = this.#slotMerged[bestSlot]!;
      next[best] = next[next[best]!]!;
    }
  }

  /** As #mergeByScan, in O(n log n). Skips heap entries whose pair has changed since they were pushed. */
  #mergeByHeap(ids: Int32Array, next: Int32Array): void {
    const n = ids.length;
    const previous = new Int32Array(n);
    const rankAt = new Int32Array(n).fill(-1);
    const heap = new MinHeap(3 * n);
    const look = (i: number): void => {
      const j = next[i]!;
      const rank = j < n ? this.#slotRank[this.#slot(ids[i]!, ids[j]!)]! : -1;
      rankAt[i] = rank;
      if (rank >= 0) heap.push(rank * POSITION_SPAN + i);
    };
    for (let i = 0; i < n; i++) {
      next[i] = i + 1;
      previous[i] = i - 1;
    }
    for (let i = 0; i < n; i++) look(i);
    while (heap.size > 0) {
      const entry = heap.pop();
      const rank = Math.floor(entry / POSITION_SPAN);
      const i = entry - rank * POSITION_SPAN;
      if (rankAt[i] !== rank) continue;
      const j = next[i]!;
      ids[i] = this.#slotMerged[this.#slot(ids[i]!, ids[j]!)]!;
      rankAt[j] = -1;
      next[i] = next[j]!;
      if (next[i]! < n) previous[next[i]!] = i;
      look(i);
      if (previous[i]! >= 0) look(previous[i]!);
    }
  }

  /** The pair's slot, or the empty slot where it would go. */
  #slot(left: number, right: number): number {
    let slot = (Math.imul(left, 0x9e3779b1) ^ Math.imul(right, 0x85ebca6b)) >>> 0;
    slot = (slot ^ (slot >>> 15)) & this.#slotMask;
    while (this.#slotRank[slot]! >= 0 && (this.#slotLeft[slot] !== left || this.#slotRight[slot] !== right)) {
      slot = (slot + 1) & this.#slotMask;
    }
    return slot;
  }
}

/** @throws MAGDI_BAD_FILE */
export function mergePair(merge: unknown, rank: number, origin: string): readonly [string, string] {
  if (typeof merge === "string") {
    const space = merge.indexOf(" ", 1);
    if (space >= 0) return [merge.slice(0, space), merge.slice(space + 1)];
  } else if (Array.isArray(merge) && merge.length === 2) {
    const [left, right]: unknown[] = merge;
    if (typeof left === "string" && typeof right === "string") return [left, right];
  }
  throw new MagdiError(
    "MAGDI_BAD_FILE",
    `${origin}: merge ${rank} should be two tokens, or both with a space between, found ${JSON.stringify(merge)}`,
  );
}

/** A binary min-heap of doubles with a fixed capacity. */
class MinHeap {
  readonly #entries: Float64Array;
  #size = 0;

  constructor(capacity: number) {
    this.#entries = new Float64Array(capacity);
  }

  get size(): number {
    return this.#size;
  }

  push(entry: number): void {
    const entries = this.#entries;
    let i = this.#size++;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (entries[parent]! <= entry) break;
      entries[i] = entries[parent]!;
      i = parent;
    }
    entries[i] = entry;
  }

  pop(): number {
    const entries = this.#entries;
    const top = entries[0]!;
    const last = entries[--this.#size]!;
    const size = this.#size;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= size) break;
      if (child + 1 < size && entries[child + 1]! < entries[child]!) child++;
      if (entries[child]! >= last) break;
      entries[i] = entries[child]!;
      i = child;
    }
    entries[i] = last;
    return top;
  }
}
