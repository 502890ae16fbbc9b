// Finds the longest of many words at each place of a text. An expression of a hundred thousand alternatives would try each
// of them at each place, or not compile.

export class LongestMatch {
  /** In the order of their UTF-16 units, so that those with the same beginning are neighbours, the shortest first. */
  readonly #words: readonly string[];
  readonly #firstUnit: RegExp;

  /** @param words not empty */
  constructor(words: readonly string[]) {
    this.#words = [...new Set(words)].sort((a, b) => (a < b ? -1 : 1));
    const units = new Set(this.#words.map((word) => word.charCodeAt(0)));
    const escaped = [...units].map((unit) => `\\u${unit.toString(16).padStart(4, "0")}`);
    this.#firstUnit = new RegExp(`[${escaped.join("")}]`, "g");
  }

  /** `text` with every word replaced, from left to right, the longest of those at a place. */
  replace(text: string, replacement: (word: string) => string): string {
    const parts: string[] = [];
    let done = 0;
    for (const { word, start } of this.matches(text)) {
      parts.push(text.slice(done, start), replacement(word));
      done = start + word.length;
    }
    return done === 0 ? text : parts.join("") + text.slice(done);
  }

  /** From left to right, each behind the one before. */
  *matches(text: string): Generator<{ readonly word: string; readonly start: number }> {
    const { source, flags } = this.#firstUnit;
    const firstUnit = new RegExp(source, flags);
    for (let place = firstUnit.exec(text); place !== null; place = firstUnit.exec(text)) {
      const word = this.#at(text, place.index);
      if (word === null) continue;
      firstUnit.lastIndex = place.index + word.length;
      yield { word, start: place.index };
    }
  }

  #at(text: string, start: number): string | null {
    let first = 0;
    let end = this.#words.length;
    let longest: string | null = null;
    for (let length = 0; start + length < text.length; length++) {
      const unit = text.charCodeAt(start + length);
      first = this.#firstWith(length, unit, first, end);
      end = this.#firstWith(length, unit + 1, first, end);
      if (first === end) break;
      const word = this.#words[first]!;
      if (word.length === length + 1) longest = word;
    }
    return longest;
  }

  /** The first of the words [first, end) whose unit at `at` is not below `unit`. */
  #firstWith(at: number, unit: number, first: number, end: number): number {
    let low = first;
    let high = end;
    while (low < high) {
      const middle = (low + high) >> 1;
      const found = this.#words[middle]!.charCodeAt(at);
      // A word that has ended comes before all that go on.
      if (Number.isNaN(found) || found < unit) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
