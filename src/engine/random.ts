// A sample's random number generator: xoshiro128** (Blackman and Vigna), seeded by splitmix64 from the request's seed
// and the sample's index.

const MASK_64 = (1n << 64n) - 1n;
/** An odd constant that sets the seeds of neighbouring samples far apart on splitmix64's cycle. */
const INDEX_STRIDE = 0xd1342543de82ef95n;

/** The splitmix64 sequence from a 64-bit state: 64-bit outputs. Source: Steele, Lea and Flood, OOPSLA 2014. */
export function splitmix64(state: bigint): () => bigint {
  let current = state & MASK_64;
  return () => {
    current = (current + 0x9e3779b97f4a7c15n) & MASK_64;
    let mixed = current;
    mixed = ((mixed ^ (mixed >> 30n)) * 0xbf58476d1ce4e5b9n) & MASK_64;
    mixed = ((mixed ^ (mixed >> 27n)) * 0x94d049bb133111ebn) & MASK_64;
    return mixed ^ (mixed >> 31n);
  };
}

/** xoshiro128** 1.1: 32-bit outputs, period 2^128 - 1; a state of four zeros is not allowed. */
export class Xoshiro128 {
  #a: number;
  #b: number;
  #c: number;
  #d: number;

  constructor(a: number, b: number, c: number, d: number) {
    this.#a = a | 0;
    this.#b = b | 0;
    this.#c = c | 0;
    this.#d = d | 0;
  }

  /** The next unsigned 32-bit integer. */
  nextUint32(): number {
    const scaled = Math.imul(this.#b, 5);
    const result = Math.imul((scaled << 7) | (scaled >>> 25), 9);
    const shifted = this.#b << 9;
    this.#c ^= this.#a;
    this.#d ^= this.#b;
    this.#b ^= this.#c;
    this.#a ^= this.#d;
    this.#c ^= shifted;
    this.#d = (this.#d << 11) | (this.#d >>> 21);
    return result >>> 0;
  }

  /** The next number in [0, 1), 53 random bits. */
  nextFloat(): number {
    const high = this.nextUint32() >>> 5;
    const low = this.nextUint32() >>> 6;
    return (high * 0x4000000 + low) / 0x20000000000000;
  }
}

/** The generator of sample `index` of a request with `seed` (unsigned, up to 53 bits): its numbers do not depend on the
 * number of samples. */
export function sampleRandom(seed: number, index: number): Xoshiro128 {
  const start = splitmix64(BigInt(seed))();
  const words = splitmix64(start + BigInt(index) * INDEX_STRIDE);
  const first = words();
  const second = words() | (first === 0n ? 1n : 0n);
  return new Xoshiro128(
    Number(first >> 32n),
    Number(first & 0xffffffffn),
    Number(second >> 32n),
    Number(second & 0xffffffffn),
  );
}
