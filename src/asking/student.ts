// A student opened in this process, for programs that use it without a server: the magdi package's main class.

import { statSync } from "node:fs";
import path from "node:path";
import { TASKS } from "../answers/task.ts";
import type { FinishReason } from "../base/finish-reason.ts";
import { defaultStudent } from "../base/package-files.ts";
import type { EngineSettings } from "../engine/engine-settings.ts";
import type { MemoryPlan } from "../engine/memory-plan.ts";
import { type OpenedEngine, openEngine, tellChoice } from "../engine/open-engine.ts";
import type { GenerationEngine, SamplingParams } from "../engine/request.ts";
import type { Dtype } from "../student/dtype.ts";
import { MANIFEST_FILE, type Manifest } from "../student/manifest.ts";
import { encodeChat, type Message } from "../text/chat-prompt.ts";
import type { ChatTemplate } from "../text/chat-template.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import { type AskableStudent, type AskEvent, type AskRecord, ask } from "./ask.ts";
import { withinContext, withPromptParam } from "./prompt-tokens.ts";
import { type AskedQuestion, resolveQuestion } from "./question.ts";
import { Run } from "./run.ts";
import { badField, randomSeed } from "./sampling.ts";
import { NO_LIMITS } from "./watched-generation.ts";

const DEFAULTS: EngineSettings = {
  device: "cpu",
  dtype: null,
  contextLength: null,
  batchRows: 32,
  threads: null,
  prefixCacheTokens: null,
  memoryLimitMb: null,
  queueSamples: Number.MAX_SAFE_INTEGER,
  maxSamples: 1024,
  stallTimeoutMs: Number.POSITIVE_INFINITY,
};

interface Abortable {
  /** Cancels the work when aborted. */
  readonly signal?: AbortSignal | undefined;
}

export type StudentEvent = AskEvent | { readonly type: "result"; readonly record: AskRecord };

/** A prompt and the engine's sampling parameters, all optional. */
export interface GenerateOptions extends Partial<SamplingParams>, Abortable {
  /** A conversation, rendered with the student's chat template. Give either messages or prompt. */
  readonly messages?: readonly Message[] | undefined;
  /** Text to continue. */
  readonly prompt?: string | undefined;
  /** Number of samples. Default 1. */
  readonly samples?: number | undefined;
}

export interface GeneratedText {
  readonly index: number;
  readonly text: string;
  readonly finishReason: FinishReason;
  readonly tokens: number;
}

export interface GenerateResult {
  readonly samples: readonly GeneratedText[];
  readonly promptTokens: number;
  readonly seed: number;
}

export interface GenerateEvent {
  readonly sample: number;
  readonly text: string;
}

/**
 * Opens a student folder; without one, that of a checkout or the image, which npm's package does not have.
 *
 * @throws MagdiError MAGDI_FILE_MISSING, MAGDI_BAD_FILE, MAGDI_BAD_CONFIG, MAGDI_UNSUPPORTED
 * @example
 * const student = await openStudent("models/mine");
 * const { answer } = await student.ask({ question: "What is 17 * 3?", samples: 5 }).result;
 * await student.close();
 */
export async function openStudent(
  folder: string = defaultStudent(),
  settings: Partial<EngineSettings> = {},
): Promise<Student> {
  return new Student(await openEngine(folder, { ...DEFAULTS, ...settings }));
}

export class Student implements AskableStudent {
  readonly id: string;
  readonly engine: GenerationEngine;
  readonly tokenizer: Tokenizer;
  readonly chatTemplate: ChatTemplate;
  /** The folder's student.json, and the dtype, device and kernels in use. */
  readonly manifest: Manifest & {
    readonly dtype: Dtype;
    readonly device: OpenedEngine["device"]["device"];
    readonly kernels: string;
  };
  /** One sentence: the device it runs on, and why others that were tried did not work. */
  readonly deviceChoice: string;
  /** What of the memory that there is was taken, and for what. */
  readonly memory: MemoryPlan;
  /** Unix seconds. */
  readonly created: number;
  /** Resolves when the files that serve were compared with the manifest's hashes, or the student was closed. It rejects
   * with MAGDI_BAD_FILE for altered ones: all requests fail then. */
  readonly filesChecked: Promise<void>;
  readonly #check: OpenedEngine["check"];
  #runs = 0;

  constructor(opened: OpenedEngine) {
    const { folder, device, kernels, memory, engine, tokenizer, chatTemplate } = opened;
    this.id = folder.manifest.name;
    this.engine = engine;
    this.tokenizer = tokenizer;
    this.chatTemplate = chatTemplate;
    this.manifest = { ...folder.manifest, dtype: folder.dtype, device: device.device, kernels };
    this.deviceChoice = tellChoice(device);
    this.memory = memory;
    this.#check = opened.check;
    this.filesChecked = opened.filesChecked;
    this.created = Math.floor(statSync(path.join(folder.path, MANIFEST_FILE)).mtimeMs / 1000);
  }

  /** The manifest's files whose hashes were compared so far, and those that still are to be. */
  get files(): { readonly checked: readonly string[]; readonly pending: readonly string[] } {
    const { checked, pending } = this.#check;
    return { checked, pending };
  }

  /**
   * Answers a question by a vote over samples of its reasoning.
   *
   * @throws MagdiError MAGDI_BAD_REQUEST naming the invalid field; MAGDI_CONTEXT_LENGTH for a question that is too long;
   * MAGDI_SHUTTING_DOWN after close()
   */
  ask({ signal, ...asked }: AskedQuestion & Abortable): Run<StudentEvent, AskRecord> {
    if (typeof asked.question !== "string" || asked.question.trim() === "") {
      throw badField(
        "question",
        `expected a text that is not empty, found ${JSON.stringify(asked.question)}`,
      );
    }
    if (asked.task !== undefined && !TASKS.includes(asked.task)) {
      throw badField("task", `expected one of ${TASKS.join(", ")}, found ${JSON.stringify(asked.task)}`);
    }
    const question = resolveQuestion(asked);
    const id = this.#nextId("ask");
    return new Run({
      signal,
      start: (emit: (event: StudentEvent) => void) => {
        const run = ask(this, question, { id, onEvent: emit });
        const done = run.done.then((record) => {
          emit({ type: "result", record });
          return record;
        });
        return { done, cancel: run.cancel };
      },
    });
  }

  /**
   * Generates text without a vote.
   *
   * @throws MagdiError MAGDI_BAD_REQUEST naming the invalid field; MAGDI_CONTEXT_LENGTH for a prompt that is too long
   */
  generate(options: GenerateOptions): Run<GenerateEvent, GenerateResult> {
    const { messages, prompt, samples = 1, signal, ...asked } = options;
    if ((messages === undefined) === (prompt === undefined)) {
      throw badField("prompt", "expected either a prompt or messages");
    }
    const param = prompt === undefined ? "messages" : "prompt";
    const promptTokens = withinContext(this.engine, param, (atMost) =>
      messages === undefined
        ? this.tokenizer.encode(prompt ?? "", { addSpecialTokens: true, atMost })
        : encodeChat(this, messages, { atMost }),
    );
    const sampling: SamplingParams = {
      ...{ temperature: 1, topK: 0, topP: 1, minP: 0, minTokens: 0, ignoreEos: false, stop: [] },
      ...{ maxTokens: this.engine.contextLength, topLogprobs: null, logitBias: new Map() },
      seed: randomSeed(),
      ...asked,
    };
    const id = this.#nextId("generate");
    return new Run({
      signal,
      start: (emit: (event: GenerateEvent) => void) => {
        const generation = withPromptParam(param, () =>
          this.engine.submit(
            {
              ...{ id, promptTokens, samples, sampling, continuesText: messages === undefined },
              ...NO_LIMITS,
            },
            {
              onToken({ sample, text }) {
                if (text !== "") emit({ sample, text });
              },
              onSampleEnd({ index, tail }) {
                if (tail !== "") emit({ sample: index, text: tail });
              },
            },
          ),
        );
        const done = generation.done.then((result) => ({
          samples: result.samples.map(({ index, text, finishReason, tokenIds }) => ({
            ...{ index, text, finishReason, tokens: tokenIds.length },
          })),
          promptTokens: result.promptTokens,
          seed: sampling.seed,
        }));
        return { done, cancel: (reason) => generation.cancel(reason) };
      },
    });
  }

  /** Cancels what runs and frees the model. */
  close(): Promise<void> {
    return this.engine.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #nextId(kind: string): string {
    this.#runs += 1;
    return `${kind}-${this.#runs}`;
  }
}
