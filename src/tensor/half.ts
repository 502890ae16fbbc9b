// Conversions between float16, bfloat16 and float32, by their bits.

/** The float32 bits of each of the 65536 float16 values. */
const FLOAT16_BITS = float16Table();

/** float16 bits → the same value; for scales, one at a time. */
export const FLOAT16_VALUES = new Float32Array(FLOAT16_BITS.buffer);

function float16Table(): Uint32Array<ArrayBuffer> {
  const table = new Uint32Array(65536);
  const value = new Float32Array(1);
  const bits = new Uint32Array(value.buffer);
  for (let half = 0; half < 65536; half++) {
    const sign = (half & 0x8000) << 16;
    const exponent = (half >> 10) & 0x1f;
    const mantissa = half & 0x3ff;
    if (exponent === 0) {
      value[0] = mantissa * 2 ** -24;
      table[half] = sign | (bits[0] ?? 0);
    } else {
      // Infinity and NaN keep their mantissa under the widest exponent.
      table[half] = sign | ((exponent === 31 ? 255 : exponent + 112) << 23) | (mantissa << 13);
    }
  }
  return table;
}

/** The bytes as little-endian 16-bit words, copied only where they do not lie on an even byte. */
function asWords(bytes: Uint8Array): Uint16Array {
  const aligned = bytes.byteOffset % 2 === 0 ? bytes : bytes.slice();
  return new Uint16Array(aligned.buffer, aligned.byteOffset, aligned.byteLength >> 1);
}

/** bytes [2n] of float16 → [n], every bit pattern exact, NaN payloads too. */
export function decodeFloat16(bytes: Uint8Array): Float32Array<ArrayBuffer> {
  const words = asWords(bytes);
  const values = new Float32Array(words.length);
  const bits = new Uint32Array(values.buffer);
  for (let i = 0; i < words.length; i++) bits[i] = FLOAT16_BITS[words[i]!]!;
  return values;
}

/** bytes [2n] of bfloat16 → [n], every bit pattern exact. */
export function decodeBfloat16(bytes: Uint8Array): Float32Array<ArrayBuffer> {
  const words = asWords(bytes);
  const values = new Float32Array(words.length);
  const bits = new Uint32Array(values.buffer);
  for (let i = 0; i < words.length; i++) bits[i] = words[i]! << 16;
  return values;
}

/** values [n] → float16 bits [n], rounded to nearest, ties to even; beyond 65504 to infinity; NaN stays NaN. */
export function encodeFloat16(values: Float32Array): Uint16Array<ArrayBuffer> {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const halves = new Uint16Array(values.length);
  for (let i = 0; i < values.length; i++) halves[i] = float16FromBits(bits[i]!);
  return halves;
}

/** values [n] → bfloat16 bits [n], rounded to nearest, ties to even; NaN stays NaN. */
export function encodeBfloat16(values: Float32Array): Uint16Array<ArrayBuffer> {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const words = new Uint16Array(values.length);
  for (let i = 0; i < words.length; i++) {
    const word = bits[i]!;
    const isNotNumber = (word & 0x7fffffff) > 0x7f800000;
    words[i] = isNotNumber ? (word >>> 16) | 64 : (word + 0x7fff + ((word >>> 16) & 1)) >>> 16;
  }
  return words;
}

const one = new Float32Array(1);
const oneBits = new Uint32Array(one.buffer);

/** The nearest float16. */
export function nearestFloat16(value: number): number {
  one[0] = value;
  return FLOAT16_VALUES[float16FromBits(oneBits[0]!)]!;
}

function float16FromBits(bits: number): number {
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00 | ((magnitude >> 13) & 0x1ff);
  // 65520 and more round to infinity.
  if (magnitude >= 0x477ff000) return sign | 0x7c00;
  // A carry out of the mantissa rightly raises the exponent.
  if (magnitude >= 0x38800000) return sign | roundShift(magnitude - 0x38000000, 13);
  // Subnormal: count 2^-24ths. Half of one, or less, is zero.
  if (magnitude <= 0x33000000) return sign;
  return sign | roundShift((magnitude & 0x7fffff) | 0x800000, 126 - (magnitude >> 23));
}

/** value / 2^shift, rounded to nearest, ties to even. */
function roundShift(value: number, shift: number): number {
  const half = (1 << (shift - 1)) - 1;
  return (value + half + ((value >> shift) & 1)) >> shift;
}
