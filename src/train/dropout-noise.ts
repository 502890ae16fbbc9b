// The random bits that dropout masks are made of: the same seed, the same bits. It knows no masks.

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
