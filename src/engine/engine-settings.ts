// What an engine is opened with, and whether a student fits into the memory that the settings allow.

import { MagdiError } from "../base/errors.ts";
import type { DeviceSetting } from "../runtime/device-name.ts";
import type { Dtype } from "../student/dtype.ts";
import { weightBytes } from "../student/manifest.ts";
import { cachedTokenBytes, type StudentFolder } from "../student/open-student-folder.ts";
import type { StepReport } from "./request.ts";

/** For rooms that may not import src/runtime. */
export { DEVICE_SETTINGS, type DeviceSetting } from "../runtime/device-name.ts";

export interface EngineSettings {
  /** Where steps run and the KV cache lies. */
  readonly device: DeviceSetting;
  /** Null: the dtype of the folder that suits the device best. */
  readonly dtype: Dtype | null;
  /** Tokens of prompt and answer together; null: the student's, at most 4096. */
  readonly contextLength: number | null;
  /** Most samples that decode at the same time. */
  readonly batchRows: number;
  /** Null: one for each usable processor. */
  readonly threads: number | null;
  readonly prefixCacheTokens: number;
  /** Of weights and KV cache together, in millions of bytes; null: no limit. */
  readonly memoryLimitMb: number | null;
  /** Most samples in the waiting queue. */
  readonly queueSamples: number;
  /** Most samples of one request. */
  readonly maxSamples: number;
  readonly stallTimeoutMs: number;
  /** Hashes are compared before the model is loaded while the files are no larger together, those of larger ones while it
   * serves. Infinity: all before. Default: 256 MB. */
  readonly hashedFirstBytes?: number;
  readonly onStep?: (report: StepReport) => void;
}

/** The default context length, where the student's own is longer. */
const DEFAULT_CONTEXT_TOKENS = 4096;

/** The context length for a setting, which may be null. */
export const contextTokens = ({ config }: StudentFolder, setting: number | null): number =>
  setting ?? Math.min(config.positions, DEFAULT_CONTEXT_TOKENS);

export const MB = 1_000_000;

export interface CacheSize {
  readonly batchRows: number;
  readonly contextLength: number;
  /** Default 0. */
  readonly prefixCacheTokens?: number;
}

/** Bytes of KV cache and prefix cache together. */
export function cacheBytes(
  folder: StudentFolder,
  { batchRows, contextLength, prefixCacheTokens = 0 }: CacheSize,
): number {
  // The prompt being prefilled has a row of its own.
  return ((batchRows + 1) * contextLength + prefixCacheTokens) * cachedTokenBytes(folder);
}

/** @throws MAGDI_BAD_CONFIG with the memory needed, and the most rows that would fit, when it is above `limitMb`. */
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
