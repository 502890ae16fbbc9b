// Opens a student folder for generation: tokenizer, template, graph, engine. It knows no server.

import { MagdiError } from "../base/errors.ts";
import { chooseDevice, type DeviceChoice } from "../runtime/device.ts";
import type { DeviceSetting } from "../runtime/device-name.ts";
import { returnFreedMemory } from "../runtime/freed-memory.ts";
import { usableProcessors } from "../runtime/usable-processors.ts";
import type { Dtype } from "../student/dtype.ts";
import { openStudentFolder, type StudentFolder } from "../student/student-folder.ts";
import { type ChatTemplate, openChatTemplate, plainChatTemplate } from "../text/chat-template.ts";
import { openTokenizer, type Tokenizer } from "../text/tokenizer.ts";
import { Engine } from "./engine.ts";
import { assertFits, MB } from "./memory-need.ts";
import { OnnxModelRunner } from "./onnx-model-runner.ts";
import { BLOCK_TOKENS } from "./prefix-cache.ts";
import type { StepReport } from "./request.ts";

export { tellChoice } from "../runtime/device.ts";

/** Context that is reserved unless a setting says otherwise, where the student's own is longer. */
const DEFAULT_CONTEXT_TOKENS = 4096;

/** Tokens that a row has room for, with what the setting says. */
export const contextTokens = ({ config }: StudentFolder, setting: number | null): number =>
  setting ?? Math.min(config.positions, DEFAULT_CONTEXT_TOKENS);
/** Tokens of a prompt that are computed between two decode steps. */
const PREFILL_CHUNK_TOKENS = 128;

export interface EngineSettings {
  /** Where steps run and keys and values lie. */
  readonly device: DeviceSetting;
  /** Null for the one of the folder's that suits the device. */
  readonly dtype: Dtype | null;
  /** Tokens of prompt and answer together; null for the student's, at most 4096. */
  readonly contextLength: number | null;
  /** Samples that decode at the same time. */
  readonly batchRows: number;
  /** Null for as many as there are processors to use. */
  readonly threads: number | null;
  readonly prefixCacheTokens: number;
  /** Of weights, keys and values together, in millions of bytes; null for no limit. */
  readonly memoryLimitMb: number | null;
  /** Samples that may wait. */
  readonly queueSamples: number;
  /** Most samples of one request. */
  readonly maxSamples: number;
  readonly stallTimeoutMs: number;
  readonly onStep?: (report: StepReport) => void;
}

export interface OpenedEngine {
  readonly folder: StudentFolder;
  readonly device: DeviceChoice;
  readonly engine: Engine;
  readonly tokenizer: Tokenizer;
  readonly chatTemplate: ChatTemplate;
}

/**
 * Reads the folder, loads the graph, and starts an engine over it.
 * @throws MagdiError MAGDI_FILE_MISSING, MAGDI_BAD_FILE, MAGDI_BAD_CONFIG, MAGDI_UNSUPPORTED
 */
export async function openEngine(path: string, settings: EngineSettings): Promise<OpenedEngine> {
  const device = await chooseDevice(settings.device);
  const folder = openStudentFolder(path, settings.dtype ?? undefined, device.device);
  const { positions } = folder.config;
  const contextLength = contextTokens(folder, settings.contextLength);
  if (contextLength > positions) {
    throw new MagdiError(
      "MAGDI_BAD_CONFIG",
      `contextLength: expected at most the student's ${positions}, found ${contextLength}`,
    );
  }
  const { memoryLimitMb } = settings;
  if (memoryLimitMb !== null) assertFits(folder, { ...settings, contextLength }, memoryLimitMb);
  const [tokenizer, chatTemplate] = await Promise.all([openTokenizer(path), openChatTemplate(path)]);
  const runner = await OnnxModelRunner.open({
    graphPath: folder.engineGraph,
    config: folder.config,
    maxRows: settings.batchRows,
    contextLength,
    prefillChunkTokens: PREFILL_CHUNK_TOKENS,
    threads: settings.threads ?? usableProcessors(),
    probeCuts: settings.prefixCacheTokens > 0,
    device: device.device,
    ...(memoryLimitMb === null ? {} : { memoryLimitBytes: memoryLimitMb * MB }),
    prefixBlocks: Math.floor(settings.prefixCacheTokens / BLOCK_TOKENS),
  });
  returnFreedMemory();
  const engine = new Engine({
    runner,
    tokenizer,
    eosTokenIds: folder.endTokenIds,
    maxWaitingSamples: settings.queueSamples,
    maxSamplesPerRequest: settings.maxSamples,
    prefixCacheTokens: settings.prefixCacheTokens,
    stallMs: settings.stallTimeoutMs,
    ...(settings.onStep === undefined ? {} : { onStep: settings.onStep }),
  });
  return { folder, device, engine, tokenizer, chatTemplate: chatTemplate ?? plainChatTemplate };
}
