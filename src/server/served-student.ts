// A student as the server sees it: a name, an engine, and the way between text and tokens. It knows no files.
import type { GenerationEngine, StepReport } from "../engine/request.ts";
import { MagdiError } from "../errors.ts";
import type { ChatTemplate } from "../text/chat-template.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import type { ServerConfig } from "./config.ts";

export interface ServedStudent {
  /** The name that clients put into `model`. */
  readonly id: string;
  readonly engine: GenerationEngine;
  readonly tokenizer: Tokenizer;
  readonly chatTemplate: ChatTemplate;
  /** The student folder's student.json. */
  readonly manifest: Readonly<Record<string, unknown>>;
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

export interface Message {
  readonly role: "system" | "user" | "assistant";
  readonly content: string;
}

/** The prompt tokens of a conversation, up to where the assistant begins to speak. */
export function encodeChat(student: ServedStudent, messages: readonly Message[]): Int32Array {
  const rendered = messages.map(({ role, content }) => ({ role, content }));
  const prompt = student.chatTemplate.render(rendered, { addGenerationPrompt: true });
  return student.tokenizer.encode(prompt, { addSpecialTokens: false });
}
