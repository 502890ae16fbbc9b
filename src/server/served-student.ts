// A student as the server sees it: a name, an engine, and the way between text and tokens. It knows no files.

import { MagdiError } from "../base/errors.ts";
import type { GenerationEngine, StepReport } from "../engine/request.ts";
import type { ChatSpeaker, Message } from "../text/chat-prompt.ts";
import type { ServerConfig } from "./config.ts";

export interface ServedStudent extends ChatSpeaker {
  /** The name that clients put into `model`. */
  readonly id: string;
  readonly engine: GenerationEngine;
  /** The student folder's student.json, and the dtype and device that serve. */
  readonly manifest: Readonly<Record<string, unknown>>;
  /** In a sentence: what it runs on, and why not on what was tried before. */
  readonly deviceChoice?: string;
  /** Unix seconds. */
  readonly created: number;
}

/**
 * Opens a student folder for serving. `onStep` is to be told of every step of the engine.
 *
 * @throws MagdiError MAGDI_FILE_MISSING, MAGDI_BAD_FILE, MAGDI_UNSUPPORTED
 */
export type OpenStudent = (
  folder: string,
  options: { readonly config: ServerConfig; readonly onStep: (report: StepReport) => void },
) => Promise<ServedStudent>;

/** @throws MagdiError MAGDI_UNKNOWN_MODEL when a request names another model than the one that is served */
export function assertServes(student: ServedStudent, model: string | null | undefined): void {
  if (model === undefined || model === null || model === student.id) return;
  throw new MagdiError(
    "MAGDI_UNKNOWN_MODEL",
    `model: expected ${JSON.stringify(student.id)}, found ${JSON.stringify(model.slice(0, 100))}; GET /v1/models lists what is served`,
    { param: "model" },
  );
}

/** @throws MagdiError MAGDI_BAD_REQUEST naming the field `param`, when it asks for more samples than one request may */
export function assertSampleCount(student: ServedStudent, samples: number, param: string): void {
  const { maxSamplesPerRequest } = student.engine;
  if (samples <= maxSamplesPerRequest) return;
  throw new MagdiError(
    "MAGDI_BAD_REQUEST",
    `${param}: expected a whole number from 1 to ${maxSamplesPerRequest}, the most this server takes, found ${samples}`,
    { param },
  );
}

interface RequestMessage {
  readonly role: "system" | "developer" | "user" | "assistant";
  readonly content: string | readonly { readonly text: string }[];
}

/** Messages as requests write them; `developer` is OpenAI's newer word for system, and parts are one text. */
export function messagesOf(messages: readonly RequestMessage[]): Message[] {
  return messages.map(({ role, content }) => ({
    role: role === "developer" ? "system" : role,
    content: typeof content === "string" ? content : content.map((part) => part.text).join(""),
  }));
}

/**
 * @throws MagdiError MAGDI_BAD_REQUEST when an id is none of the vocabulary's; `where` holds them: a field, or a part
 * of one such as prompt[3]
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
