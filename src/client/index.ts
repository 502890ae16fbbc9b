// What the package exports as magdi/client.
export type {
  AgentList,
  AnswerKind,
  Answers,
  BaselineList,
  CallOptions,
  DebateFrame,
  DebateRequest,
  DebateResponse,
  DetokenizeRequest,
  DetokenizeResponse,
  Model,
  ProbeAnswer,
  ReasonFrame,
  ReasonRequest,
  ReasonResponse,
  TokenizeRequest,
  TokenizeResponse,
  VoteRequest,
  VoteResponse,
} from "./api-types.ts";
export { MagdiApiError, MagdiConnectionError, MagdiTimeoutError } from "./client-error.ts";
export { MagdiClient, type MagdiClientOptions } from "./magdi-client.ts";
export { ReasonSession, type SessionClose } from "./reason-session.ts";
export { ReasonStream } from "./reason-stream.ts";
export { SessionRun } from "./session-run.ts";
export type { Socket, SocketConstructor } from "./socket.ts";
