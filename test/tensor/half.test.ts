import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeBfloat16, decodeFloat16, encodeFloat16 } from "../../src/tensor/half.ts";
import { encodeBfloat16 } from "../support/bfloat16.ts";

const allWords = Uint16Array.from({ length: 65536 }, (_, i) => i);
const allBytes = new Uint8Array(allWords.buffer);

function bitsOf(values: Float32Array): Uint32Array {
  return new Uint32Array(values.buffer);
}

test("float16: every bit pattern has its value by the definition", () => {
  const values = decodeFloat16(allBytes);
  for (let half = 0; half < 65536; half++) {
    const sign = half & 0x8000 ? -1 : 1;
    const exponent = (half >> 10) & 31;
    const mantissa = half & 1023;
    let expected = sign * 2 ** (exponent - 15) * (1 + mantissa / 1024);
    if (exponent === 0) expected = sign * 2 ** -14 * (mantissa / 1024);
    if (exponent === 31) expected = mantissa === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
    assert.ok(Object.is(values[half], expected), `${half}: ${values[half]} is not ${expected}`);
  }
});

test("float16: what was decoded encodes to the same bits, and signalling NaN to quiet NaN", () => {
  const back = encodeFloat16(decodeFloat16(allBytes));
  for (let half = 0; half < 65536; half++) {
    const isNan = (half & 0x7fff) > 0x7c00;
    assert.equal(back[half], isNan ? half | 0x200 : half);
  }
});

test("float16: between neighbours the nearer is taken, half-way the even one", () => {
  const values = decodeFloat16(allBytes);
  for (let half = 0; half < 0x7bff; half++) {
    const middle = (values[half]! + values[half + 1]!) / 2;
    const around = Float32Array.of(middle, middle, middle, -middle);
    bitsOf(around)[0]! -= 1;
    bitsOf(around)[2]! += 1;
    const even = half & 1 ? half + 1 : half;
    assert.deepEqual([...encodeFloat16(around)], [half, even, half + 1, even | 0x8000]);
  }
  const large = Float32Array.of(65519.99, 65520, -65520, 3.4e38, Number.POSITIVE_INFINITY, 1e-45, -0);
  assert.deepEqual([...encodeFloat16(large)], [0x7bff, 0x7c00, 0xfc00, 0x7c00, 0x7c00, 0, 0x8000]);
});

test("bfloat16: decoding shifts the bits, encoding rounds to nearest even", () => {
  const values = decodeBfloat16(allBytes);
  assert.deepEqual(
    [...bitsOf(values)],
    [...allWords].map((word) => word * 65536),
  );
  const back = encodeBfloat16(values);
  for (let word = 0; word < 65536; word++) {
    assert.equal(back[word], (word & 0x7fff) > 0x7f80 ? word | 0x40 : word);
  }
  const patterns = Uint32Array.of(0x3f808000, 0x3f818000, 0x3f807fff, 0x3f808001, 0x7f7fffff, 0xff7f8000);
  const rounded = encodeBfloat16(new Float32Array(patterns.buffer));
  assert.deepEqual([...rounded], [0x3f80, 0x3f82, 0x3f80, 0x3f81, 0x7f80, 0xff80]);
});

test("bytes on an odd address decode like any others", () => {
  const odd = new Uint8Array([0xff, 0x00, 0x3c, 0x80, 0x3f]);
  assert.equal(decodeFloat16(odd.subarray(1, 3))[0], 1);
  assert.equal(decodeBfloat16(odd.subarray(3, 5))[0], 1);
});
