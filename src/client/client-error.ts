// The errors that the client throws: the server's, a broken connection, a timeout.

/** The server refused a request or failed on it, and said why. */
export class MagdiApiError extends Error {
  override readonly name = "MagdiApiError";
  /** The HTTP status; null for an error that came after the answer had begun, or on a socket. */
  readonly status: number | null;
  /** OpenAI's error types: invalid_request_error, authentication_error, rate_limit_error, server_error. */
  readonly type: string;
  /** The specific error, where it has a name: context_length_exceeded, queue_full, model_loading and so on. */
  readonly code: string | null;
  /** The request's field at fault, where there is one. */
  readonly param: string | null;
  /** The request's id in the server's log. */
  readonly requestId: string | null;
  /** From the Retry-After header. */
  readonly retryAfterSeconds: number | null;
  /** The error's other fields, such as prompt_tokens and context_length. */
  readonly details: Readonly<Record<string, unknown>>;

  constructor(body: unknown, answer: Partial<ApiErrorOrigin> = {}) {
    const { message, type, code, param, ...details } = errorFields(body);
    super(typeof message === "string" ? message : `the server answered with status ${answer.status ?? "?"}`);
    this.status = answer.status ?? null;
    this.type = typeof type === "string" ? type : "server_error";
    this.code = typeof code === "string" ? code : null;
    this.param = typeof param === "string" ? param : null;
    this.requestId = answer.requestId ?? null;
    this.retryAfterSeconds = answer.retryAfterSeconds ?? null;
    this.details = details;
  }
}

interface ApiErrorOrigin {
  readonly status: number;
  readonly requestId: string | null;
  readonly retryAfterSeconds: number | null;
}

/** OpenAI's `error` object; from other servers also a text, or the fields without an object around them. */
function errorFields(body: unknown): Readonly<Record<string, unknown>> {
  if (typeof body !== "object" || body === null) return {};
  if (!("error" in body)) return "detail" in body ? { message: body.detail, ...body } : { ...body };
  if (typeof body.error === "string") return { message: body.error };
  return typeof body.error === "object" && body.error !== null ? { ...body.error } : {};
}

/** The server could not be reached, or the connection broke before the response was complete. */
export class MagdiConnectionError extends Error {
  override readonly name: string = "MagdiConnectionError";
  /** The WebSocket's close code, such as 1013 for a reader that was too slow. */
  readonly closeCode: number | null;

  constructor(message: string, options: { cause?: unknown; closeCode?: number } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.closeCode = options.closeCode ?? null;
  }
}

/** Nothing was received for `timeoutMs`. */
export class MagdiTimeoutError extends MagdiConnectionError {
  override readonly name = "MagdiTimeoutError";
}
