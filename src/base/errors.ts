// The registry of the project's error codes. It knows nothing of HTTP: the server maps codes to statuses.

/** What each code means. A message adds what was expected, what was found, where, and what to do. */
export const ERROR_CODES = {
  MAGDI_BAD_FILE: "a file is truncated, inconsistent, or not of the expected kind",
  MAGDI_FILE_MISSING: "a required file or folder does not exist",
  MAGDI_UNSUPPORTED: "the input is valid, but uses something that is not implemented",
  MAGDI_BAD_CONFIG: "a setting or flag is unknown, of the wrong type, or out of range",
  MAGDI_BAD_REQUEST: "a request's field is missing, of the wrong type, or out of range",
  MAGDI_CONTEXT_LENGTH: "a prompt is longer than the student's context",
  MAGDI_UNAUTHENTICATED: "a request has no API key, or an unknown one",
  MAGDI_FORBIDDEN: "a request's API key lacks the right to what it asks for",
  MAGDI_FORBIDDEN_ORIGIN: "the origin of a browser page is not allowed",
  MAGDI_FORBIDDEN_HOST: "without API keys the server does not answer under this host name",
  MAGDI_RATE_LIMIT: "a caller has used up its requests per minute",
  MAGDI_QUEUE_FULL: "the waiting queue is full, counted in samples",
  MAGDI_TOO_MANY_REQUESTS:
    "more concurrent requests, or requests in a period, than the server accepts from one client",
  MAGDI_QUEUE_TIMEOUT: "a request waited in the queue longer than allowed",
  MAGDI_OVERLOADED: "the server holds as many connections, or bytes that arrive, as it may",
  MAGDI_NO_AGENTS: "the server was started without agents, so that nobody can debate",
  MAGDI_DEBATE_BUDGET:
    "what debates may cost in a day is spent, of all callers or of this one; the day ends at midnight UTC",
  MAGDI_AGENTS_FAILED: "no agent of a debate answered",
  MAGDI_CANCELLED: "the caller cancelled the request",
  MAGDI_SHUTTING_DOWN: "the server is draining and accepts no new requests",
  MAGDI_MODEL_LOADING: "the student is still being loaded",
  MAGDI_UNKNOWN_MODEL: "the requested model is not served",
  MAGDI_ENGINE_STALLED: "an engine step is taking far too long; it may still return",
  MAGDI_ENGINE_FAILED: "an engine step failed; the engine cannot serve any more",
  MAGDI_RUNTIME: "a call to ONNX Runtime failed",
  MAGDI_DIVERGED: "a loss or gradient in training is not finite",
  MAGDI_NOT_WRITTEN:
    "a write failed: the file system is full, read-only or not writable for this user, or a hub took no upload",
  MAGDI_BAD_GRAPH: "an ONNX graph is malformed or not what its reader expects",
} as const;

export type ErrorCode = keyof typeof ERROR_CODES;

/** @example throw new MagdiError("MAGDI_BAD_FILE", "model.gguf: expected the magic GGUF, found 'PK'; is it a zip?") */
export class MagdiError extends Error {
  override readonly name = "MagdiError";
  readonly code: ErrorCode;
  /** The request field at fault, if any. */
  readonly param: string | null;
  /** Numbers that a client may want to act on, such as prompt_tokens. */
  readonly details: Readonly<Record<string, number | string>>;

  constructor(
    code: ErrorCode,
    message: string,
    options: { cause?: unknown; param?: string; details?: Record<string, number | string> } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.param = options.param ?? null;
    this.details = options.details ?? {};
  }
}
