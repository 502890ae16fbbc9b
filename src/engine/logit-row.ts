// A whole row of logits, of which only the highest are put in order: highest first, equal ones by lowest token id.
// It knows no sampling parameters.

/** Token ids are packed below the 32-bit key of a logit, into a float's 53 exact bits. */
const ID_SPAN = 2 ** 20;
/** The bits of -0. */
const NEGATIVE_ZERO = -(2 ** 31);
const BLOCK_TOKENS = 32;

/** Scratch for one row of `vocabSize` logits, used again for each row: load, change `values`, scan, ask. */
export class LogitRow {
  readonly vocabSize: number;
  /** The row [V]; to be changed only between load and scan. */
  readonly values: Float32Array;
  /** The ids that `atLeast` found [V], in order. */
  readonly ids: Int32Array;
  readonly #bits: Int32Array;
  readonly #packed: Float64Array;
  /** The highest value of each block of tokens: most blocks need not be looked into. */
  readonly #blockMaxima: Float32Array;
  readonly #sortedMaxima: Float32Array;

  constructor(vocabSize: number) {
    if (vocabSize > ID_SPAN) {
      throw new RangeError(`vocabulary: expected at most ${ID_SPAN} tokens, found ${vocabSize}`);
    }
    this.vocabSize = vocabSize;
    this.values = new Float32Array(vocabSize);
    this.ids = new Int32Array(vocabSize);
    this.#bits = new Int32Array(this.values.buffer);
    this.#packed = new Float64Array(vocabSize);
    this.#blockMaxima = new Float32Array(Math.ceil(vocabSize / BLOCK_TOKENS));
    this.#sortedMaxima = new Float32Array(this.#blockMaxima.length);
  }

  /** Copies row `row` of `logits` [B, V] into `values`. */
  load(logits: Float32Array, row: number): void {
    this.values.set(logits.subarray(row * this.vocabSize, (row + 1) * this.vocabSize));
  }

  /** Looks through the values, and returns the highest. */
  scan(): number {
    const { values } = this;
    const maxima = this.#blockMaxima;
    let highest = Number.NEGATIVE_INFINITY;
    for (let block = 0, id = 0; block < maxima.length; block++) {
      const end = Math.min(id + BLOCK_TOKENS, values.length);
      let blockHighest = Number.NEGATIVE_INFINITY;
      for (; id < end; id++) {
        const value = values[id]!;
        if (value > blockHighest) blockHighest = value;
      }
      maxima[block] = blockHighest;
      if (blockHighest > highest) highest = blockHighest;
    }
    return highest;
  }

  /** A value that at least `count` of the values reach, and not many more: the count-th highest of the blocks'. */
  reachedBy(count: number): number {
    const blocks = this.#blockMaxima.length;
    if (count > blocks) return Number.NEGATIVE_INFINITY;
    this.#sortedMaxima.set(this.#blockMaxima);
    this.#sortedMaxima.sort();
    return this.#sortedMaxima[blocks - count]!;
  }

  /** Puts the ids of all values of at least `floor` into `ids`, in order, and returns how many there are. */
  atLeast(floor: number): number {
    const { values, ids } = this;
    const bits = this.#bits;
    const packed = this.#packed;
    const maxima = this.#blockMaxima;
    let count = 0;
    for (let block = 0; block < maxima.length; block++) {
      if (maxima[block]! < floor) continue;
      const end = Math.min((block + 1) * BLOCK_TOKENS, values.length);
      for (let id = block * BLOCK_TOKENS; id < end; id++) {
        if (values[id]! >= floor) packed[count++] = keyOf(bits[id]!) * ID_SPAN + id;
      }
    }
    packed.subarray(0, count).sort();
    for (let position = 0; position < count; position++) {
      const both = packed[position]!;
      ids[position] = both - Math.floor(both / ID_SPAN) * ID_SPAN;
    }
    return count;
  }
}

/** From a float's bits to an unsigned integer that is smaller for a higher float, and the same for 0 and -0. */
function keyOf(bits: number): number {
  const value = bits === NEGATIVE_ZERO ? 0 : bits;
  return (value < 0 ? value : ~value ^ 0x80000000) >>> 0;
}
