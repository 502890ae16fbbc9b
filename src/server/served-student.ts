// The student that the server serves, and the checks of a request against it: model name, number of samples, token ids.

import type { FastifyBaseLogger } from "fastify";
import { badField } from "../asking/sampling.ts";
import { MagdiError } from "../base/errors.ts";
import type { MemoryPlan } from "../engine/memory-plan.ts";
import type { GenerationEngine, StepReport } from "../engine/request.ts";
import type { ChatSpeaker, Message } from "../text/chat-prompt.ts";
import type { ServerConfig } from "./config.ts";

export interface ServedStudent extends ChatSpeaker {
  /** The name that clients put into `model`. */
  readonly id: string;
  readonly engine: GenerationEngine;
  /** The student folder's student.json, and the dtype, device and kernels that serve. */
  readonly manifest: Readonly<Record<string, unknown>>;
  /** One sentence: the device it runs on, and why others that were tried did not work. */
  readonly deviceChoice?: string;
  /** What of the memory that there is was taken, and for what. */
  readonly memory?: MemoryPlan;
  /** Unix seconds. */
  readonly created: number;
  /** The manifest's files whose hashes were compared so far, and those that still are to be. */
  readonly files?: { readonly checked: readonly string[]; readonly pending: readonly string[] };
  /** Resolves when all were, or the engine was closed; rejects for altered ones, and the engine has failed then. */
  readonly filesChecked?: Promise<void>;
}

/**
 * Opens a student folder for serving. `onStep` is called after every engine step.
 *
 * @throws MagdiError MAGDI_FILE_MISSING, MAGDI_BAD_FILE, MAGDI_UNSUPPORTED
 */
export type OpenStudent = (
  folder: string,
  options: { readonly config: ServerConfig; readonly onStep: (report: StepReport) => void },
) => Promise<ServedStudent>;

/** Logs which files are checked while requests are answered, and how that ends. */
export function tellFileCheck(log: FastifyBaseLogger, student: ServedStudent): void {
  const pending = student.files?.pending ?? [];
  if (pending.length > 0) {
    log.info({ files: pending }, "comparing large files with their hashes while requests are answered");
  }
  student.filesChecked?.then(
    () => {
      if (pending.length > 0 && student.files?.pending.length === 0)
        log.info("all files have the hashes of student.json");
    },
    (error: unknown) =>
      log.fatal(
        { err: error },
        "the student's files were altered: requests are refused, and /ready answers 503",
      ),
  );
}

/** @throws MagdiError MAGDI_UNKNOWN_MODEL if the request names a model other than the served one */
export function assertServes(student: ServedStudent, model: string | null | undefined): void {
  if (model === undefined || model === null || model === student.id) return;
  throw new MagdiError(
    "MAGDI_UNKNOWN_MODEL",
    `model: expected ${JSON.stringify(student.id)}, found ${JSON.stringify(model.slice(0, 100))}; GET /v1/models lists the served models`,
    { param: "model" },
  );
}

/** @throws MagdiError MAGDI_BAD_REQUEST naming the field `param`, if it asks for more samples than a request may have */
export function assertSampleCount(student: ServedStudent, samples: number, param: string): void {
  const { maxSamplesPerRequest } = student.engine;
  if (samples <= maxSamplesPerRequest) return;
  throw badField(
    param,
    `expected a whole number from 1 to ${maxSamplesPerRequest}, the server's maximum, found ${samples}`,
  );
}

interface RequestMessage {
  readonly role: "system" | "developer" | "user" | "assistant";
  /** Null only of an assistant's message without text. */
  readonly content: string | readonly { readonly text: string }[] | null;
}

/** Chat messages from a request's: `developer`, OpenAI's newer name, becomes `system`, and text parts are joined. */
export function messagesOf(messages: readonly RequestMessage[]): Message[] {
  return messages.map(({ role, content }) => ({
    role: role === "developer" ? "system" : role,
    content: typeof content === "string" ? content : (content ?? []).map((part) => part.text).join(""),
  }));
}

/**
 * @throws MagdiError MAGDI_BAD_REQUEST if an id is not in the vocabulary. `where` is the field with the ids, or a part
 * of one such as prompt[3].
 */
export function assertTokens(student: ServedStudent, ids: readonly number[], where: string): void {
  const { vocabSize } = student.tokenizer;
  const index = ids.findIndex((id) => id >= vocabSize);
  if (index < 0) return;
  throw new MagdiError(
    "MAGDI_BAD_REQUEST",
    `${where}[${index}]: expected token ids below ${vocabSize}, found ${ids[index]}`,
    { param: where.replace(/\[.*/, "") },
  );
}
