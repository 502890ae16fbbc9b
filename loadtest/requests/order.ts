// A request to send: transport, path and body.

export const KINDS = [
  "reason",
  "reason-stream",
  "reason-socket",
  "chat",
  "chat-stream",
  "completion",
  "completion-stream",
  "tokenize",
] as const;
export type Kind = (typeof KINDS)[number];

export const PATHS: Readonly<Record<Kind, string>> = {
  reason: "/v1/reason",
  "reason-stream": "/v1/reason",
  "reason-socket": "/v1/reason/ws",
  chat: "/v1/chat/completions",
  "chat-stream": "/v1/chat/completions",
  completion: "/v1/completions",
  "completion-stream": "/v1/completions",
  tokenize: "/v1/tokenize",
};

export interface Order {
  readonly kind: Kind;
  readonly transport: "whole" | "stream" | "socket";
  readonly path: string;
  readonly body: Readonly<Record<string, unknown>>;
  /** Samples or choices asked for; 0 where nothing is generated. */
  readonly samples: number;
}
