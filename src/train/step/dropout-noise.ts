// The random bits that dropout masks are made of, and masks: the same seed, the same bits. It knows no graphs.

/** Fills `bits` with uniform 32-bit integers (sfc32 of PractRand, whose first outputs it discards). */
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

/** `length` values: 0 for a share of them, 1 / (1 - share) for the others. */
export function dropoutMask(length: number, share: number, seed: number): Float32Array {
  const bits = new Int32Array(length);
  fillNoise(bits, seed);
  const below = Math.floor(share * 2 ** 32) - 2 ** 31;
  return Float32Array.from(bits, (value) => (value < below ? 0 : 1 / (1 - share)));
}
