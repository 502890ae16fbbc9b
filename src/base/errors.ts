// The registry of the project's own errors: one code for each kind of failure, with who can mend it. It knows
// nothing of HTTP: the server maps codes to statuses.

/** What each code means. A message adds what was expected, what was found, where, and what to do. */
export const ERROR_CODES = {
  MAGDI_BAD_FILE: "a file is truncated, lies about itself, or is not of the kind its reader expects",
  MAGDI_FILE_MISSING: "a file or folder that is needed is not there",
  MAGDI_UNSUPPORTED: "something valid that this project does not implement, named",
  MAGDI_BAD_CONFIG: "a setting or flag is unknown, of the wrong type, or out of range",
  MAGDI_BAD_REQUEST: "a request's field is missing, of the wrong type, or out of range",
  MAGDI_CONTEXT_LENGTH: "a prompt is longer than the student's context",
  MAGDI_UNAUTHENTICATED: "a request has no API key, or one that is not known",
  MAGDI_FORBIDDEN_ORIGIN: "a page in a browser may not do this from where it comes",
  MAGDI_FORBIDDEN_HOST: "without API keys the server is not reached under this host name",
  MAGDI_RATE_LIMIT: "a caller has made all the requests of a minute",
  MAGDI_QUEUE_FULL: "the waiting line is full, counted in samples",
  MAGDI_TOO_MANY_REQUESTS: "more requests at once, or in a time, than the server takes of one client",
  MAGDI_QUEUE_TIMEOUT: "a request waited longer than it may before it could start",
  MAGDI_CANCELLED: "the caller cancelled",
  MAGDI_SHUTTING_DOWN: "the server drains and takes no new work",
  MAGDI_MODEL_LOADING: "the student is still being loaded",
  MAGDI_UNKNOWN_MODEL: "the model that a request names is not served",
  MAGDI_ENGINE_STALLED: "a step of the engine takes far too long; it may still return",
  MAGDI_ENGINE_FAILED: "the engine can serve no more: a step failed",
  MAGDI_RUNTIME: "ONNX Runtime refused a call",
  MAGDI_DIVERGED: "training met a loss or a gradient that is no finite number",
  MAGDI_NOT_WRITTEN: "the file system took no more: it is full, read-only or not ours",
  MAGDI_BAD_GRAPH: "an ONNX graph is not well-formed or not what its reader expects",
} as const;

export type ErrorCode = keyof typeof ERROR_CODES;

/** @example throw new MagdiError("MAGDI_BAD_FILE", "model.gguf: expected the magic GGUF, found 'PK'; is it a zip?") */
export class MagdiError extends Error {
  override readonly name = "MagdiError";
  readonly code: ErrorCode;
  /** The request's field that is to blame, where there is one. */
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
