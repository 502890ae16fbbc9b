// A whole row of logits, put in order only as far as somebody looks: highest first, equal ones by lowest token id.
// It knows no sampling parameters.

/** Token ids are packed below the 32-bit key of a logit, into a float's 53 exact bits. */
const ID_SPAN = 2 ** 20;
/** As many buckets as there are tokens, up to this many bits of a key: the sign, the exponent, 7 bits of mantissa. */
const MAX_BUCKET_BITS = 16;

/** Scratch for one row of `vocabSize` logits, used again for each row: load, change `values`, rank, take. */
export class RankedLogits {
  readonly vocabSize: number;
  /** The row [V]; to be changed only between load and rank. */
  readonly values: Float32Array;
  /** Ids of the `count` highest logits so far [V], in order. */
  readonly ids: Int32Array;
  count = 0;
  readonly #bits: Int32Array;
  readonly #bucketSizes: Uint32Array;
  /** From a key to its bucket. */
  readonly #bucketShift: number;
  readonly #packed: Float64Array;
  #nextBucket = 0;

  constructor(vocabSize: number) {
    if (vocabSize > ID_SPAN) {
      throw new RangeError(`vocabulary: expected at most ${ID_SPAN} tokens, found ${vocabSize}`);
    }
    this.vocabSize = vocabSize;
    this.values = new Float32Array(vocabSize);
    this.ids = new Int32Array(vocabSize);
    this.#bits = new Int32Array(this.values.buffer);
    const bucketBits = Math.min(MAX_BUCKET_BITS, Math.ceil(Math.log2(vocabSize + 1)));
    this.#bucketSizes = new Uint32Array(2 ** bucketBits);
    this.#bucketShift = 32 - bucketBits;
    this.#packed = new Float64Array(vocabSize);
  }

  /** Copies row `row` of `logits` [B, V] into `values`. */
  load(logits: Float32Array, row: number): void {
    const { values, vocabSize } = this;
    const offset = row * vocabSize;
    for (let id = 0; id < vocabSize; id++) values[id] = logits[offset + id]!;
  }

  /** Counts the loaded values by the upper bits of their keys: what `take` needs to find the highest. */
  rank(): void {
    const { values, vocabSize } = this;
    this.#bucketSizes.fill(0);
    for (let id = 0; id < vocabSize; id++) {
      values[id] = values[id]! + 0; // -0 equals 0 and must not sort below it
      this.#bucketSizes[this.#key(id) >>> this.#bucketShift]!++;
    }
    this.count = 0;
    this.#nextBucket = 0;
  }

  /** Makes at least the `wanted` highest (or all) available in `ids`, and returns how many there are. */
  take(wanted: number): number {
    const { vocabSize } = this;
    const goal = Math.min(wanted, vocabSize);
    if (this.count >= goal) return this.count;
    const firstBucket = this.#nextBucket;
    let bucket = firstBucket;
    let total = this.count;
    while (total < goal) total += this.#bucketSizes[bucket++]!;
    this.#nextBucket = bucket;

    let end = this.count;
    for (let id = 0; id < vocabSize; id++) {
      const key = this.#key(id);
      const own = key >>> this.#bucketShift;
      if (own >= firstBucket && own < bucket) this.#packed[end++] = key * ID_SPAN + id;
    }
    this.#packed.subarray(this.count, end).sort();
    for (let position = this.count; position < end; position++) {
      const packed = this.#packed[position]!;
      this.ids[position] = packed - Math.floor(packed / ID_SPAN) * ID_SPAN;
    }
    this.count = end;
    return end;
  }

  /** An unsigned integer that is smaller for a higher float. */
  #key(id: number): number {
    const bits = this.#bits[id]!;
    return (bits < 0 ? bits : ~bits ^ 0x80000000) >>> 0;
  }
}
