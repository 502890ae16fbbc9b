// What a student takes of its device's memory, as far as it is known before anything is loaded: weights, and the keys and
// values that the settings make room for.

import { MagdiError } from "../errors.ts";
import { cachedTokenBytes, type StudentFolder, weightBytes } from "../student/student-folder.ts";

const MB = 1_000_000;

export interface CacheSize {
  readonly batchRows: number;
  readonly contextLength: number;
  readonly prefixCacheTokens: number;
}

/** @throws MAGDI_BAD_CONFIG with what is needed, and the most rows that would fit, when that is beyond `limitMb`. */
export function assertFits(folder: StudentFolder, cache: CacheSize, limitMb: number): void {
  const { contextLength, prefixCacheTokens } = cache;
  const weights = weightBytes(folder);
  const tokenBytes = cachedTokenBytes(folder);
  // A prompt that is being computed has a row beside those that decode.
  const needOf = (rows: number) => weights + ((rows + 1) * contextLength + prefixCacheTokens) * tokenBytes;
  const need = needOf(cache.batchRows);
  if (need <= limitMb * MB) return;
  const inMb = (bytes: number) => Math.ceil(bytes / MB);
  const rows = cache.batchRows - Math.ceil((need - limitMb * MB) / (contextLength * tokenBytes));
  const remedy =
    rows >= 2
      ? `batch-rows ${rows}, or a shorter context-length, would fit`
      : "give it more, a shorter context-length or a smaller dtype";
  throw new MagdiError(
    "MAGDI_BAD_CONFIG",
    `memory-limit-mb: expected at least ${inMb(need)} for ${inMb(weights)} MB of weights and ${inMb(need - weights)} MB of keys and values (${cache.batchRows} rows of ${contextLength} tokens), found ${limitMb}; ${remedy}`,
  );
}
