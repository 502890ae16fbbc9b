// Seeded random numbers for all that a run draws. Every use has a seed of its own, derived from the run's seed and its
// purpose, so that no draw depends on earlier ones and a run can resume at any step.

const BLOCK = 256;

/** Fills `bits` with uniform 32-bit integers: sfc32 of PractRand, whose first twelve outputs are discarded. */
export function fillNoise(bits: Int32Array, seed: number): void {
  let [a, b, c, counter] = [seed | 0, Math.floor(seed / 2 ** 32) | 0, 0x2545f491, 1];
  for (let index = -12; index < bits.length; index++) {
    const value = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + value) | 0;
    if (index >= 0) bits[index] = value;
  }
}

/** An inverted dropout mask of `length` values: 0 with probability `rate`, else 1 / (1 - rate). */
export function dropoutMask(length: number, rate: number, seed: number): Float32Array {
  const bits = new Int32Array(length);
  fillNoise(bits, seed);
  const below = Math.floor(rate * 2 ** 32) - 2 ** 31;
  return Float32Array.from(bits, (value) => (value < below ? 0 : 1 / (1 - rate)));
}

/** An unsigned 32-bit seed from whole numbers and names: FNV-1a, then MurmurHash3's finaliser.
 * @example derivedSeed(7, "order", epoch) */
export function derivedSeed(...parts: readonly (number | string)[]): number {
  let hash = 0x811c9dc5;
  for (const part of parts) {
    for (const byte of Buffer.from(`${part}\0`)) hash = Math.imul(hash ^ byte, 0x01000193);
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** A generator of uniform numbers in [0, 1), the same for the same seed. */
export function seededRandom(seed: number): () => number {
  const bits = new Int32Array(BLOCK);
  let drawn = 0;
  return () => {
    if (drawn % BLOCK === 0) fillNoise(bits, derivedSeed(seed, drawn / BLOCK));
    const value = bits[drawn % BLOCK]!; // below BLOCK
    drawn += 1;
    return (value >>> 0) / 2 ** 32;
  };
}
