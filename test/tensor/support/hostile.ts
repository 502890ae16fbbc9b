// Breaks a valid file in many ways and expects of a reader one kind of error, or a file that can be read.

import assert from "node:assert/strict";
import { type ErrorCode, MagdiError } from "../../../src/base/errors.ts";
import type { TensorFile } from "../../../src/tensor/tensor-file.ts";
import type { Scratch } from "./scratch.ts";

/** The message must name the file and match the pattern. */
export function assertRefused(open: () => unknown, code: ErrorCode, pattern: RegExp): void {
  assert.throws(open, (error) => {
    assert.ok(error instanceof MagdiError, `not a MagdiError: ${error}`);
    assert.equal(error.code, code, error.message);
    assert.match(error.message, pattern);
    return true;
  });
}

/** Every proper beginning of the bytes is refused as a bad file that names itself. */
export function assertTruncationsRefused(
  scratch: Scratch,
  bytes: Uint8Array,
  open: (path: string) => TensorFile,
): void {
  for (let length = 0; length < bytes.length; length++) {
    const path = scratch.write("truncated", bytes.subarray(0, length));
    assertRefused(() => open(path), "MAGDI_BAD_FILE", /truncated: .*expected .*found/s);
  }
}

/** Opens and reads `count` damaged copies; gives how many could be opened all the same. */
export function openMutations(
  scratch: Scratch,
  bytes: Uint8Array,
  open: (path: string) => TensorFile,
  options: { seed: number; count: number; before: number },
): number {
  const random = mulberry32(options.seed);
  let opened = 0;
  for (let i = 0; i < options.count; i++) {
    const damaged = mutate(bytes, random, options.before);
    const path = scratch.write("mutated", damaged);
    try {
      const file = open(path);
      try {
        opened++;
        for (const name of file.entries.keys()) file.readFloat32(name);
      } finally {
        file.close();
      }
    } catch (error) {
      const isRefused = error instanceof MagdiError && /^MAGDI_(BAD_FILE|UNSUPPORTED)$/.test(error.code);
      assert.ok(
        isRefused,
        `mutation ${i} of seed ${options.seed}: ${error instanceof Error ? error.stack : error}`,
      );
    }
  }
  return opened;
}

/** Changes, removes or repeats some bytes among the first `before`. */
function mutate(bytes: Uint8Array, random: () => number, before: number): Uint8Array {
  const below = (n: number) => Math.floor(random() * n);
  const interesting = [0, 1, 0x7f, 0x80, 0xff, 0x22, 0x2c, 0x5b, 0x7b, 0x5c];
  const damaged = new Uint8Array(bytes);
  for (let n = 1 + below(3); n > 0; n--) {
    const value = random() < 0.5 ? below(256) : (interesting[below(interesting.length)] ?? 0);
    const at = below(before);
    damaged.fill(value, at, at + (random() < 0.2 ? 8 : 1));
  }
  if (random() < 0.8) return damaged;
  const from = below(before);
  const to = from + below(16);
  const repeat = random() < 0.5 ? from : to;
  return Buffer.concat([damaged.subarray(0, random() < 0.5 ? to : from), damaged.subarray(repeat)]);
}

function mulberry32(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
