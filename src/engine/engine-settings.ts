// What an engine is opened with, and whether a student fits into the memory that there is and that the settings allow.

import { MagdiError } from "../base/errors.ts";
import type { Device, DeviceSetting } from "../runtime/device-name.ts";
import { returnablePageBytes } from "../runtime/returned-pages.ts";
import { usableMemory } from "../runtime/usable-memory.ts";
import type { Dtype } from "../student/dtype.ts";
import { weightBytes } from "../student/manifest.ts";
import { cachedTokenBytes, type StudentFolder } from "../student/open-student-folder.ts";
import { FLOAT_BYTES } from "../tensor/onnx-type.ts";
import {
  type AvailableMemory,
  DEFAULT_CONTEXT_TOKENS,
  DEFAULT_PREFIX_CACHE_TOKENS,
  type MemoryPlan,
  planMemory,
} from "./memory-plan.ts";
import type { StepReport } from "./request.ts";

/** For rooms that may not import src/runtime. */
export { DEVICE_SETTINGS, type DeviceSetting } from "../runtime/device-name.ts";

export interface EngineSettings {
  /** Where steps run and the KV cache lies. */
  readonly device: DeviceSetting;
  /** Null: the dtype of the folder that suits the device best. */
  readonly dtype: Dtype | null;
  /** Tokens of prompt and answer together; null: the student's, at most 4096 and what memory allows. */
  readonly contextLength: number | null;
  /** Most samples that decode at the same time. */
  readonly batchRows: number;
  /** Null: one for each usable processor. */
  readonly threads: number | null;
  /** Null: 2048, or what memory allows. */
  readonly prefixCacheTokens: number | null;
  /** In millions of bytes; null: no limit but those of control groups and machine. On the CPU of the whole process, on a
   * device of weights and KV cache there. */
  readonly memoryLimitMb: number | null;
  /** What a server sets aside of the memory: for bodies that arrive, for answers that are not read, and for the largest
   * body; null: what fits. Absent where there is no server. */
  readonly bodyBufferBytes?: number | null;
  readonly answerBufferBytes?: number | null;
  readonly bodyLimitBytes?: number;
  /** Most samples in the waiting queue. */
  readonly queueSamples: number;
  /** Most samples of one request. */
  readonly maxSamples: number;
  readonly stallTimeoutMs: number;
  /** See SchedulerOptions. Default true. */
  readonly speculation?: boolean;
  /** Hashes are compared before the model is loaded while the files are no larger together, those of larger ones while it
   * serves. Infinity: all before. Default: 256 MB. */
  readonly hashedFirstBytes?: number;
  readonly onStep?: (report: StepReport) => void;
}

/** Most prompt tokens that are prefilled between two decode steps. */
export const PREFILL_CHUNK_TOKENS = 128;

type MemorySettings = Pick<
  EngineSettings,
  | "batchRows"
  | "contextLength"
  | "prefixCacheTokens"
  | "memoryLimitMb"
  | "bodyBufferBytes"
  | "answerBufferBytes"
  | "bodyLimitBytes"
>;

/** What a student is served with on a device, in the memory that there is.
 * @throws MAGDI_BAD_CONFIG when it does not fit */
export function planStudent(
  folder: StudentFolder,
  device: Device,
  settings: MemorySettings,
  usable: AvailableMemory = usableMemory(),
): MemoryPlan {
  const { config, cacheFloats } = folder;
  const { memoryLimitMb } = settings;
  const onHost = device === "cpu";
  const limited = onHost && memoryLimitMb !== null && memoryLimitMb * MB < usable.bytes;
  const available = limited ? { bytes: memoryLimitMb * MB, boundedBy: "memory-limit-mb" } : usable;
  const pageBytes = returnablePageBytes();
  const needs = {
    weightBytes: weightBytes(folder.manifest, folder.dtype),
    tokenBytes: onHost ? cachedTokenBytes(folder) : 0,
    pageTokens:
      pageBytes === null ? null : Math.ceil(pageBytes / (config.headSize * FLOAT_BYTES[cacheFloats])),
    heads: config.heads,
    hiddenSize: config.hiddenSize,
    intermediateSize: config.intermediateSize,
    vocabSize: config.vocabSize,
    positions: config.positions,
    prefillChunkTokens: PREFILL_CHUNK_TOKENS,
  };
  const plan = planMemory(available, needs, settings);
  if (!onHost && memoryLimitMb !== null) assertFits(folder, plan, memoryLimitMb);
  return plan;
}

export const MB = 1_000_000;

export interface CacheSize {
  readonly batchRows: number;
  readonly contextLength: number;
  /** Default 0. */
  readonly prefixCacheTokens?: number;
}

/** Bytes of KV cache and prefix cache together, when all rows are full. */
function cacheBytes(
  folder: StudentFolder,
  { batchRows, contextLength, prefixCacheTokens = 0 }: CacheSize,
): number {
  // The prompt being prefilled has a row of its own.
  return ((batchRows + 1) * contextLength + prefixCacheTokens) * cachedTokenBytes(folder);
}

/** What keys and values take when all rows are full, whether or not there is so much memory. */
export function fullCacheBytes(folder: StudentFolder, settings: MemorySettings): number {
  const contextLength = settings.contextLength ?? Math.min(folder.config.positions, DEFAULT_CONTEXT_TOKENS);
  const prefixCacheTokens = settings.prefixCacheTokens ?? DEFAULT_PREFIX_CACHE_TOKENS;
  return cacheBytes(folder, { batchRows: settings.batchRows, contextLength, prefixCacheTokens });
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
