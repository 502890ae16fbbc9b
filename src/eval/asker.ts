// What an evaluation needs of whoever answers: samples for a question, and a name for the report. It knows neither
// engine nor HTTP.

import type { FinishedSample } from "../voting/voter.ts";
import type { Question } from "./question.ts";

export interface Answered {
  /** Tokens and log-probabilities are NaN where the answerer does not tell. */
  readonly samples: readonly FinishedSample[];
  /** Null where the answerer does not tell. */
  readonly promptTokens: number | null;
}

export interface ModelIdentity {
  readonly name: string;
  /** A student folder opened here, a server of ours, or one that speaks OpenAI's API. */
  readonly kind: "folder" | "reason" | "chat";
  readonly dtype: string | null;
  /** SHA-256 of each file of the student; null where the server does not tell. */
  readonly files: Readonly<Record<string, string>> | null;
  /** Sampling fields that the server refused and that were left out. */
  readonly left_out: readonly string[];
  /** Where a student folder ran; null for a server. */
  readonly device: string | null;
  /** Tokens of prompt and answer together that a student folder was opened with; null for a server. */
  readonly context_length: number | null;
}

/** For whoever tells nothing but a name. */
export const NOTHING_TOLD = {
  dtype: null,
  files: null,
  left_out: [],
  device: null,
  context_length: null,
} as const satisfies Partial<ModelIdentity>;

export interface Asker {
  readonly model: ModelIdentity;
  /** What was chosen to run on, in a sentence, where that was a choice. */
  readonly deviceChoice?: string;
  /** Questions that keep it busy, asked `samples` times each. */
  concurrency(samples: number): number;
  /**
   * All samples of one question, to their ends.
   * @throws MagdiError MAGDI_CONTEXT_LENGTH when the prompt is too long; the signal's reason after an abort
   */
  ask(question: Question, seed: number, signal: AbortSignal): Promise<Answered>;
  close(): Promise<void>;
}
