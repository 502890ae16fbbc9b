// Ends a streamed text at the first stop string, and holds back what may be the beginning of one.

import { MagdiError } from "../base/errors.ts";

export interface FilteredText {
  readonly text: string;
  /** The stop string that ended the text, or null. */
  readonly stopped: string | null;
}

/**
 * The text ends before the stop string that starts first; of those that start together, before the shortest. The released
 * pieces joined are the whole text up to there, however it is split into pieces. Linear time (Knuth, Morris, Pratt 1977, one
 * automaton for each stop string).
 */
export class StopStringFilter {
  readonly #automata: readonly PrefixAutomaton[];
  /** The pieces held back; of the first only the text from #headOffset on. */
  #held: string[] = [];
  #headOffset = 0;
  #seen = 0;
  #released = 0;
  /** The earliest complete stop string so far. One that starts before it may still be completed. */
  #found: { readonly start: number; readonly stop: string } | null = null;
  #ended = false;

  /** @throws MAGDI_BAD_REQUEST for an empty stop string. */
  constructor(stops: readonly string[]) {
    if (stops.includes("")) {
      throw new MagdiError("MAGDI_BAD_REQUEST", "stop: expected non-empty strings, found an empty one", {
        param: "stop",
      });
    }
    this.#automata = [...new Set(stops)].map((stop) => new PrefixAutomaton(stop));
  }

  /** The text that is certain not to be part of a stop string. Nothing more is released after `stopped`. */
  push(text: string): FilteredText {
    if (this.#ended) return { text: "", stopped: null };
    if (this.#automata.length === 0) return { text, stopped: null };
    this.#held.push(text);
    for (let i = 0; i < text.length; i++) {
      const unit = text.charCodeAt(i);
      this.#seen++;
      for (const automaton of this.#automata) {
        if (!automaton.step(unit)) continue;
        const start = this.#seen - automaton.stop.length;
        // With equal starts the one found before is shorter.
        if (this.#found === null || start < this.#found.start) this.#found = { start, stop: automaton.stop };
      }
      if (this.#found !== null && this.#firstPartialMatch() >= this.#found.start) return this.#end();
    }
    return { text: this.#release(this.#firstPartialMatch()), stopped: null };
  }

  /** The end of the text: releases the rest, up to the earliest complete stop string if there is one. */
  finish(): FilteredText {
    if (this.#ended) return { text: "", stopped: null };
    return this.#end();
  }

  #end(): FilteredText {
    const found = this.#found;
    const text = this.#release(found?.start ?? this.#seen);
    this.#ended = true;
    this.#held = [];
    return { text, stopped: found?.stop ?? null };
  }

  /** Where the earliest partial match of a stop string starts. */
  #firstPartialMatch(): number {
    let first = this.#seen;
    for (const automaton of this.#automata) first = Math.min(first, this.#seen - automaton.matched);
    return first;
  }

  /** Releases the held text up to a position of the whole text. */
  #release(position: number): string {
    let count = position - this.#released;
    if (count <= 0) return "";
    this.#released = position;
    let text = "";
    let pieces = 0;
    while (count > 0) {
      const piece = this.#held[pieces]!;
      const available = piece.length - this.#headOffset;
      if (available > count) {
        text += piece.slice(this.#headOffset, this.#headOffset + count);
        this.#headOffset += count;
        break;
      }
      text += this.#headOffset === 0 ? piece : piece.slice(this.#headOffset);
      this.#headOffset = 0;
      count -= available;
      pieces++;
    }
    if (pieces > 0) this.#held.splice(0, pieces);
    return text;
  }
}

/** Tracks the longest suffix of the text read so far that is a prefix of the stop string. */
class PrefixAutomaton {
  readonly stop: string;
  /** Length of that prefix, less than the stop string's own. */
  matched = 0;
  /** fallback[n]: length of the longest proper suffix of stop[0..n) that is a prefix of it. */
  readonly #fallback: Int32Array;

  constructor(stop: string) {
    this.stop = stop;
    this.#fallback = new Int32Array(stop.length + 1);
    for (let n = 1, length = 0; n < stop.length; n++) {
      while (length > 0 && stop[n] !== stop[length]) length = this.#fallback[length]!;
      if (stop[n] === stop[length]) length++;
      this.#fallback[n + 1] = length;
    }
  }

  /** Reads a UTF-16 unit; true when it completes the stop string. */
  step(unit: number): boolean {
    while (this.matched > 0 && this.stop.charCodeAt(this.matched) !== unit) {
      this.matched = this.#fallback[this.matched]!;
    }
    if (this.stop.charCodeAt(this.matched) === unit) this.matched++;
    if (this.matched < this.stop.length) return false;
    this.matched = this.#fallback[this.matched]!;
    return true;
  }
}
