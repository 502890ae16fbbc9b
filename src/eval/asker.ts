// The interface of what an evaluation asks: samples for a question, and the model's identity for the report.

import type { FinishedSample } from "../voting/voter.ts";
import type { Question } from "./question-formats.ts";

export interface Answered {
  /** Tokens and log-probabilities are NaN if the server does not report them. */
  readonly samples: readonly FinishedSample[];
  /** Null if the server does not report them. */
  readonly promptTokens: number | null;
}

export interface ModelIdentity {
  readonly name: string;
  /** A student in this process, a magdi server, or a server with OpenAI's API. */
  readonly kind: "folder" | "reason" | "chat";
  readonly dtype: string | null;
  /** SHA-256 of each file of the student; null if the server does not report it. */
  readonly files: Readonly<Record<string, string>> | null;
  /** Sampling fields that were left out because the server rejects them. */
  readonly left_out: readonly string[];
  /** Null for a server. */
  readonly device: string | null;
  /** Maximum tokens of prompt and answer together; null for a server. */
  readonly context_length: number | null;
}

/** Of a server that reports only a name. */
export const UNKNOWN_IDENTITY = {
  dtype: null,
  files: null,
  left_out: [],
  device: null,
  context_length: null,
} as const satisfies Partial<ModelIdentity>;

export interface Asker {
  readonly model: ModelIdentity;
  /** With --device auto, a sentence on the device that was chosen. */
  readonly deviceChoice?: string;
  /** How many questions of `samples` samples to ask at once to keep it busy. */
  concurrency(samples: number): number;
  /**
   * Generates all samples of one question completely.
   * @throws MagdiError MAGDI_CONTEXT_LENGTH when the prompt is too long; the signal's reason after an abort
   */
  ask(question: Question, seed: number, signal: AbortSignal): Promise<Answered>;
  close(): Promise<void>;
}
