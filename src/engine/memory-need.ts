// What a student takes of its device's memory, as far as it is known before anything is loaded: weights, and the keys and
// values that the settings make room for.

import { MagdiError } from "../base/errors.ts";
import { weightBytes } from "../student/manifest.ts";
import { cachedTokenBytes, type StudentFolder } from "../student/student-folder.ts";

export const MB = 1_000_000;

export interface CacheSize {
  readonly batchRows: number;
  readonly contextLength: number;
  /** Kept of prompts. Default 0. */
  readonly prefixCacheTokens?: number;
}

/** Bytes of the keys and values that there is room for. */
export function cacheBytes(
  folder: StudentFolder,
  { batchRows, contextLength, prefixCacheTokens = 0 }: CacheSize,
): number {
  // A prompt that is being computed has a row beside those that decode.
  return ((batchRows + 1) * contextLength + prefixCacheTokens) * cachedTokenBytes(folder);
}

/** @throws MAGDI_BAD_CONFIG with what is needed, and the most rows that would fit, when that is beyond `limitMb`. */
export function assertFits(folder: StudentFolder, cache: CacheSize, limitMb: number): void {
  const { contextLength } = cache;
  const weights = weightBytes(folder.manifest, folder.dtype);
  const need = weights + cacheBytes(folder, cache);
  if (need <= limitMb * MB) return;
  const inMb = (bytes: number) => Math.ceil(bytes / MB);
  const rows =
    cache.batchRows - Math.ceil((need - limitMb * MB) / (contextLength * cachedTokenBytes(folder)));
  const remedy =
    rows >= 2
      ? `batch-rows ${rows}, or a shorter context-length, would fit`
      : "give it more, a shorter context-length or a smaller dtype";
  throw new MagdiError(
    "MAGDI_BAD_CONFIG",
    `memory-limit-mb: expected at least ${inMb(need)} for ${inMb(weights)} MB of weights and ${inMb(need - weights)} MB of keys and values (${cache.batchRows} rows of ${contextLength} tokens), found ${limitMb}; ${remedy}`,
  );
}
