// The API's requests, responses and frames as types, inferred from the server's schemas. There are only types here, so
// the client does not load the schemas.
import type { z } from "zod";
import type { DebateFrame } from "../server/debate/debate-frames.ts";
import type { AgentList, DebateResponse, debateRequest } from "../server/debate/debate-schema.ts";
import type { model } from "../server/openai/model-schema.ts";
import type {
  detokenizeRequest,
  detokenizeResponse,
  tokenizeRequest,
  tokenizeResponse,
} from "../server/openai/tokenize-schema.ts";
import type { BaselineList } from "../server/operations/baselines-schema.ts";
import type { ReasonFrame, ServerFrame } from "../server/reason/frames.ts";
import type { ReasonResponse, reasonRequest } from "../server/reason/schema.ts";

export type { VoteRequest, VoteResponse } from "../server/reason/vote-schema.ts";
export type {
  AgentList,
  BaselineList,
  DebateFrame,
  DebateResponse,
  ReasonFrame,
  ReasonResponse,
  ServerFrame,
};

/** A question. Without `stream`, which follows from the method that is called. */
export type ReasonRequest = Omit<z.input<ReturnType<typeof reasonRequest>>, "stream">;
/** A question for the agents to debate. */
export type DebateRequest = Omit<z.input<ReturnType<typeof debateRequest>>, "stream">;

/** The frames and the response of a question that the student answers, and of one that is debated. */
export interface Answers {
  readonly reason: { readonly frame: ReasonFrame; readonly response: ReasonResponse };
  readonly debate: { readonly frame: DebateFrame; readonly response: DebateResponse };
}
export type AnswerKind = keyof Answers;

export type Model = z.output<typeof model>;
export type TokenizeRequest = z.input<typeof tokenizeRequest>;
export type TokenizeResponse = z.output<typeof tokenizeResponse>;
export type DetokenizeRequest = z.input<typeof detokenizeRequest>;
export type DetokenizeResponse = z.output<typeof detokenizeResponse>;

/** A probe's answer. */
export interface ProbeAnswer {
  /** Whether its HTTP status was 200. */
  readonly ok: boolean;
  /** "ok", "ready", "loading", "shutting_down", "engine_stalled" or "engine_failed". */
  readonly status: string;
}

export interface CallOptions {
  /** Aborts the call, on the server too. The call rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}
