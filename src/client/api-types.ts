// The API's requests, answers and frames as types, taken from the server's schemas. Nothing of it is left when the
// client runs.
import type { z } from "zod";
import type { model } from "../server/openai/model-schema.ts";
import type {
  detokenizeRequest,
  detokenizeResponse,
  tokenizeRequest,
  tokenizeResponse,
} from "../server/openai/tokenize-schema.ts";
import type { BaselineList } from "../server/operations/baselines-schema.ts";
import type { ReasonFrame, ServerFrame } from "../server/reason/frames.ts";
import type { reasonRequest } from "../server/reason/schema.ts";

export type { ReasonResponse } from "../server/reason/schema.ts";
export type { VoteRequest, VoteResponse } from "../server/reason/vote-schema.ts";
export type { BaselineList, ReasonFrame, ServerFrame };

/** A question; whether it is streamed is the method's business. */
export type ReasonRequest = Omit<z.input<ReturnType<typeof reasonRequest>>, "stream">;
export type Model = z.output<typeof model>;
export type TokenizeRequest = z.input<typeof tokenizeRequest>;
export type TokenizeResponse = z.output<typeof tokenizeResponse>;
export type DetokenizeRequest = z.input<typeof detokenizeRequest>;
export type DetokenizeResponse = z.output<typeof detokenizeResponse>;

/** What a probe answers: `ok` is whether its status was 200. */
export interface ProbeAnswer {
  readonly ok: boolean;
  /** "ok", "ready", "loading", "shutting_down", "engine_stalled" or "engine_failed". */
  readonly status: string;
}

export interface CallOptions {
  /** Ends the call; the server stops working on it. The call rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}
