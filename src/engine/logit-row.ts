// A row of full logits, of which only the highest are sorted: highest first, equal ones by lowest token id; and the
// exponential that turns logits into weights.

/** A 32-bit sort key of the logit and the token id below it are packed into the 53 exact bits of a double. */
const ID_SPAN = 2 ** 20;
/** The bits of -0. */
const NEGATIVE_ZERO = -(2 ** 31);
const BLOCK_TOKENS = 32;

/** Scratch for one row of `vocabSize` logits, reused for each row: load, change `values`, scan, then query. */
export class LogitRow {
  readonly vocabSize: number;
  /** The row [V]; may be changed between load and scan. */
  readonly values: Float32Array;
  /** The ids that `atLeast` found [V], in order. */
  readonly ids: Int32Array;
  readonly #bits: Int32Array;
  readonly #packed: Float64Array;
  /** The highest value of each block of tokens, so that most blocks can be skipped. */
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

  /** Finds each block's highest value, and returns the highest of all. */
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

  /** A lower bound of the count-th highest value, close to it: the count-th highest block maximum. */
  floorFor(count: number): number {
    const blocks = this.#blockMaxima.length;
    if (count > blocks) return Number.NEGATIVE_INFINITY;
    this.#sortedMaxima.set(this.#blockMaxima);
    this.#sortedMaxima.sort();
    return this.#sortedMaxima[blocks - count]!;
  }

  /** Sorts the ids of all values of at least `floor` into `ids`, and returns their number. */
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

/** A float's bits to an unsigned integer that is smaller for a higher float, and equal for 0 and -0. */
function keyOf(bits: number): number {
  const value = bits === NEGATIVE_ZERO ? 0 : bits;
  return (value < 0 ? value : ~value ^ 0x80000000) >>> 0;
}

const PARTS = 256;
const PARTS_PER_NAT = PARTS / Math.LN2;
const NATS_PER_PART = Math.LN2 / PARTS;
/** Below it the result is 0: a random number of 53 bits would never select such a weight. */
const MIN_POWER = -700;

/** 2^(i / 256). */
const FRACTIONS = Float64Array.from({ length: PARTS }, (_, part) => 2 ** (part / PARTS));
/** 2^-i. */
const HALVINGS = Float64Array.from({ length: 1100 }, (_, power) => 2 ** -power);

/** e^power for power ≤ 0 from a table, with a relative error below 1e-13 (1e-14 down to e^-20); NaN stays NaN. Several
 * times faster than Math.exp over a vocabulary, and the same bits on every JavaScript engine. */
export function expNonPositive(power: number): number {
  if (power < MIN_POWER) return 0;
  // power = part · ln2 / 256 + rest, with 0 ≤ rest < 0.0028: five terms of the series are enough.
  const part = Math.floor(power * PARTS_PER_NAT);
  const rest = power - part * NATS_PER_PART;
  const series = 1 + rest * (1 + rest * (1 / 2 + rest * (1 / 6 + rest * (1 / 24))));
  return FRACTIONS[part & (PARTS - 1)]! * HALVINGS[-(part >> 8)]! * series;
}
