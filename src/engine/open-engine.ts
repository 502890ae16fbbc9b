// Opens a student folder for generation: tokenizer, chat template, graph, engine.

import { MagdiError } from "../base/errors.ts";
import { chooseDevice, type DeviceChoice } from "../runtime/device.ts";
import { returnFreedMemory } from "../runtime/malloc-trim.ts";
import { describeKernels } from "../runtime/native-kernels.ts";
import { usableProcessors } from "../runtime/usable-processors.ts";
import { FileCheck } from "../student/file-check.ts";
import { openStudentFolder, type StudentFolder, servedFiles } from "../student/open-student-folder.ts";
import { type ChatTemplate, openChatTemplate, plainChatTemplate } from "../text/chat-template.ts";
import { openTokenizer, type Tokenizer } from "../text/tokenizer.ts";
import { Engine } from "./engine.ts";
import { type EngineSettings, MB, PREFILL_CHUNK_TOKENS, planStudent } from "./engine-settings.ts";
import type { MemoryPlan } from "./memory-plan.ts";
import { OnnxModelRunner } from "./onnx-model-runner.ts";
import { BLOCK_TOKENS } from "./prefix-cache.ts";

export { tellChoice } from "../runtime/device.ts";

export interface OpenedEngine {
  readonly folder: StudentFolder;
  readonly device: DeviceChoice;
  /** What computes its steps: the instruction set of our own operators, or "stock" and why. */
  readonly kernels: string;
  readonly memory: MemoryPlan;
  readonly engine: Engine;
  readonly tokenizer: Tokenizer;
  readonly chatTemplate: ChatTemplate;
  /** Of the files that serve. */
  readonly check: FileCheck;
  /** Resolves when all of them were checked or the engine was closed. It rejects with MAGDI_BAD_FILE for altered ones;
   * the engine has failed then, and nobody needs to handle it. */
  readonly filesChecked: Promise<void>;
}

/**
 * Reads the folder, loads the graph, and starts an engine over it.
 * @throws MagdiError MAGDI_FILE_MISSING, MAGDI_BAD_FILE, MAGDI_BAD_CONFIG, MAGDI_UNSUPPORTED
 */
export async function openEngine(path: string, settings: EngineSettings): Promise<OpenedEngine> {
  const device = await chooseDevice(settings.device);
  const folder = openStudentFolder(path, settings.dtype ?? undefined, device.device);
  const { positions } = folder.config;
  if (settings.contextLength !== null && settings.contextLength > positions) {
    throw new MagdiError(
      "MAGDI_BAD_CONFIG",
      `contextLength: expected at most the student's ${positions}, found ${settings.contextLength}`,
    );
  }
  const memory = planStudent(folder, device.device, settings);
  const { contextLength, prefixCacheTokens, rowBudget } = memory;
  const { memoryLimitMb } = settings;
  const check = new FileCheck(path, folder.manifest, servedFiles(folder));
  const { hashedFirstBytes } = settings;
  await (hashedFirstBytes === Number.POSITIVE_INFINITY ? check.all() : check.beforeUse(hashedFirstBytes));
  const [tokenizer, chatTemplate] = await Promise.all([openTokenizer(path), openChatTemplate(path)]);
  const runner = await OnnxModelRunner.open({
    graphPath: folder.engineGraph,
    config: folder.config,
    maxRows: memory.batchRows,
    contextLength,
    prefillChunkTokens: PREFILL_CHUNK_TOKENS,
    threads: settings.threads ?? usableProcessors(),
    probeChunking: prefixCacheTokens > 0,
    device: device.device,
    ...(memoryLimitMb === null ? {} : { memoryLimitBytes: memoryLimitMb * MB }),
    prefixBlocks: Math.floor(prefixCacheTokens / BLOCK_TOKENS),
    boundedRows: rowBudget !== null,
  });
  returnFreedMemory();
  const engine = new Engine({
    runner,
    tokenizer,
    eosTokenIds: folder.endTokenIds,
    maxWaitingSamples: settings.queueSamples,
    maxSamplesPerRequest: settings.maxSamples,
    prefixCacheTokens,
    rowBudget,
    stallMs: settings.stallTimeoutMs,
    speculation: settings.speculation ?? true,
    ...(settings.onStep === undefined ? {} : { onStep: settings.onStep }),
  });
  const filesChecked = checkRest(check, engine);
  return {
    ...{ folder, device, memory, engine, tokenizer, check, filesChecked },
    kernels: describeKernels(runner.kernels),
    chatTemplate: chatTemplate ?? plainChatTemplate,
  };
}

function checkRest(check: FileCheck, engine: Engine): Promise<void> {
  const checked = check.rest(engine.closed);
  checked.catch((cause: unknown) => {
    const message = "the weights are not those that were imported; import the student again";
    engine.fail(new MagdiError("MAGDI_ENGINE_FAILED", message, { cause }));
  });
  return checked;
}
