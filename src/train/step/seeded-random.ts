// Random numbers for everything but dropout. Every use has a seed of its own, made of the run's and of what it is for:
// what was drawn before never matters, so a run can go on from any step.

import { fillNoise } from "./dropout-noise.ts";

const BLOCK = 256;

/** An unsigned 32-bit seed of whole numbers and names: FNV-1a, then MurmurHash3's finaliser.
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

/** Uniform numbers of [0, 1), the same for the same seed. */
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
