// Quantisation to Q4_K: 256 values to a block, of which each 32 have a scale and a minimum in 6 bits. As in llama.cpp's
// reference, scale and minimum are those of some twenty tried ranges that leave the smallest weighted squared error; its sums
// are float32 and these float64, so single codes differ.

import { encodeFloat16, FLOAT16_VALUES } from "./half.ts";

const BLOCK = 256;
const BLOCK_BYTES = 144;
const GROUP = 32;
const GROUPS = BLOCK / GROUP;
const MOST_CODE = 15;
const MOST_STEP = 63;
/** Ranges of this many codes are tried. */
const RANGES = Array.from({ length: 21 }, (_, index) => MOST_CODE - 1 + 0.1 * index);

/** value ≈ scale · code − offset, with scale and offset from 0 on. */
interface Fit {
  readonly scale: number;
  readonly offset: number;
}

/** values [n] → the bytes of n / 256 blocks. Values are finite, and a row's length is a multiple of 256. */
export function quantiseQ4_K(values: Float32Array): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array((values.length / BLOCK) * BLOCK_BYTES);
  for (let block = 0; block * BLOCK < values.length; block++) {
    quantiseBlock(values.subarray(block * BLOCK, (block + 1) * BLOCK), bytes, block * BLOCK_BYTES);
  }
  return bytes;
}

function quantiseBlock(values: Float32Array, bytes: Uint8Array, at: number): void {
  const groups = Array.from({ length: GROUPS }, (_, group) =>
    values.subarray(group * GROUP, (group + 1) * GROUP),
  );
  const fits = groups.map(fitGroup);
  const scaleStep = putStep(Math.max(...fits.map(({ scale }) => scale)), bytes, at);
  const offsetStep = putStep(Math.max(...fits.map(({ offset }) => offset)), bytes, at + 2);
  fits.forEach((fit, group) => {
    const scale = stepsOf(fit.scale, scaleStep.wanted);
    const offset = stepsOf(fit.offset, offsetStep.wanted);
    putScaleAndOffset(scale, offset, group, bytes, at + 4);
    const codes = codesOf(groups[group]!, scale * scaleStep.stored, offset * offsetStep.stored);
    // Of each 64 values the first 32 are low halves, the others high halves.
    const first = at + 16 + (group >> 1) * GROUP;
    for (let i = 0; i < GROUP; i++) bytes[first + i]! |= codes[i]! << (4 * (group & 1));
  });
}

/** Writes as float16 the step in which the greatest of the factors has 63. */
function putStep(greatest: number, bytes: Uint8Array, at: number): { wanted: number; stored: number } {
  const wanted = greatest / MOST_STEP;
  const word = encodeFloat16(Float32Array.of(wanted))[0]!;
  bytes[at] = word & 255;
  bytes[at + 1] = word >> 8;
  return { wanted, stored: FLOAT16_VALUES[word]! };
}

const stepsOf = (factor: number, step: number): number =>
  step === 0 ? 0 : Math.min(MOST_STEP, Math.round(factor / step));

/** Where ggml-unpack's unpackScalesAndMins reads them. */
function putScaleAndOffset(
  scale: number,
  offset: number,
  group: number,
  bytes: Uint8Array,
  at: number,
): void {
  if (group < 4) {
    bytes[at + group]! |= scale;
    bytes[at + 4 + group]! |= offset;
    return;
  }
  bytes[at + 4 + group] = (scale & 15) | ((offset & 15) << 4);
  bytes[at + group - 4]! |= (scale >> 4) << 6;
  bytes[at + group]! |= (offset >> 4) << 6;
}

function codesOf(values: Float32Array, scale: number, offset: number): Uint8Array {
  const codes = new Uint8Array(GROUP);
  if (scale === 0) return codes;
  for (let i = 0; i < GROUP; i++) codes[i] = codeOf((values[i]! + offset) / scale);
  return codes;
}

const codeOf = (value: number): number => Math.max(0, Math.min(MOST_CODE, Math.round(value)));

/** Least squares for each tried range, large values weighing more. */
function fitGroup(values: Float32Array): Fit {
  let [least, most, squares] = [0, values[0]!, 0];
  for (const value of values) {
    least = Math.min(least, value);
    most = Math.max(most, value);
    squares += value * value;
  }
  if (most === least) return { scale: 0, offset: -least };
  const usual = Math.sqrt(squares / GROUP);
  let [sumW, sumWX] = [0, 0];
  for (const value of values) {
    const weight = usual + Math.abs(value);
    sumW += weight;
    sumWX += weight * value;
  }
  const errorOf = (scale: number, offset: number, inverse: number): number => {
    let error = 0;
    for (let i = 0; i < GROUP; i++) {
      const value = values[i]!;
      const difference = scale * codeOf(inverse * (value - least)) - offset - value;
      error += (usual + Math.abs(value)) * difference * difference;
    }
    return error;
  };
  const plain = (most - least) / MOST_CODE;
  let best: Fit = { scale: plain, offset: -least };
  let bestError = errorOf(plain, -least, 1 / plain);
  for (const range of RANGES) {
    const inverse = range / (most - least);
    let [sumWL, sumWLL, sumWLX] = [0, 0, 0];
    for (let i = 0; i < GROUP; i++) {
      const value = values[i]!;
      const weighted = (usual + Math.abs(value)) * codeOf(inverse * (value - least));
      sumWL += weighted;
      sumWLL += weighted * codeOf(inverse * (value - least));
      sumWLX += weighted * value;
    }
    const determinant = sumW * sumWLL - sumWL * sumWL;
    if (!(determinant > 0)) continue;
    const minimum = (sumWLL * sumWX - sumWL * sumWLX) / determinant;
    const scale = minimum > 0 ? sumWLX / sumWLL : (sumW * sumWLX - sumWX * sumWL) / determinant;
    const offset = Math.max(0, -minimum);
    const error = errorOf(scale, offset, inverse);
    if (error >= bestError) continue;
    best = { scale, offset };
    bestError = error;
  }
  return best;
}
