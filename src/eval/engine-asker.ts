// Asks a student folder in this process, through the engine that serves.

import { renderPrompt } from "../asking/prompts.ts";
import type { DeviceSetting } from "../engine/engine-settings.ts";
import { openEngine, tellChoice } from "../engine/open-engine.ts";
import type { GenerationEngine } from "../engine/request.ts";
import type { Dtype } from "../student/dtype.ts";
import { type ChatSpeaker, encodeChat } from "../text/chat-prompt.ts";
import { finishedSample } from "../voting/voter.ts";
import type { Answered, Asker, ModelIdentity } from "./asker.ts";
import type { Question } from "./question.ts";
import { type EvalSettings, samplingOf } from "./settings.ts";

export interface EngineAskerOptions {
  readonly folder: string;
  readonly device: DeviceSetting;
  readonly dtype: Dtype | null;
  readonly threads: number | null;
  readonly batchRows: number;
  readonly contextLength: number | null;
}

/** Questions that wait beyond those in the batch, as a multiple of it, so that no row is ever empty before the end. */
const QUEUE_FACTOR = 2;

/** @throws MagdiError MAGDI_FILE_MISSING, MAGDI_BAD_FILE, MAGDI_BAD_CONFIG, MAGDI_UNSUPPORTED */
export async function openEngineAsker(options: EngineAskerOptions, settings: EvalSettings): Promise<Asker> {
  const { folder, device, engine, tokenizer, chatTemplate } = await openEngine(options.folder, {
    ...options,
    prefixCacheTokens: 2048,
    memoryLimitMb: null,
    queueSamples: (QUEUE_FACTOR + 1) * (options.batchRows + settings.samples),
    maxSamples: settings.samples,
    stallTimeoutMs: Number.POSITIVE_INFINITY,
  });
  const { manifest, dtype } = folder;
  const files = Object.fromEntries(
    Object.entries(manifest.files).map(([name, { sha256 }]) => [name, sha256]),
  );
  const asker = engineAsker(
    { engine, tokenizer, chatTemplate, batchRows: options.batchRows },
    {
      name: manifest.name,
      kind: "folder",
      dtype,
      files,
      left_out: [],
      device: device.device,
      context_length: engine.contextLength,
    },
    settings,
  );
  return options.device === "auto" ? { ...asker, deviceChoice: tellChoice(device) } : asker;
}

export interface EngineAskerParts extends ChatSpeaker {
  readonly engine: GenerationEngine;
  readonly batchRows: number;
}

/** The asker over an engine that is open; it closes the engine. */
export function engineAsker(parts: EngineAskerParts, model: ModelIdentity, settings: EvalSettings): Asker {
  const { engine, batchRows } = parts;
  return {
    model,
    concurrency: (samples) => Math.max(1, Math.ceil((QUEUE_FACTOR * batchRows) / samples)),
    async ask(question: Question, seed: number, signal: AbortSignal): Promise<Answered> {
      signal.throwIfAborted();
      const generation = engine.submit({
        id: `${question.dataset}/${question.id}`,
        promptTokens: encodeChat(parts, renderPrompt(question)),
        samples: settings.samples,
        sampling: samplingOf(settings, question, seed),
        queueTimeoutMs: Number.POSITIVE_INFINITY,
        timeoutMs: Number.POSITIVE_INFINITY,
      });
      const stop = () => generation.cancel("cancelled");
      signal.addEventListener("abort", stop, { once: true });
      try {
        const { samples, promptTokens } = await generation.done;
        signal.throwIfAborted();
        return {
          samples: samples.map((sample) => finishedSample(sample, sample.finishReason)),
          promptTokens,
        };
      } finally {
        signal.removeEventListener("abort", stop);
      }
    },
    close: () => engine.close(),
  };
}
