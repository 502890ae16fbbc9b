// The errors that the client throws: what the server answered, what became of the connection, and how long it took.

/** The server refused or failed a request, and said why. */
export class MagdiApiError extends Error {
  override readonly name = "MagdiApiError";
  /** The HTTP status; null for an error that came after the answer had begun, or on a socket. */
  readonly status: number | null;
  /** OpenAI's kinds: invalid_request_error, authentication_error, rate_limit_error, server_error. */
  readonly type: string;
  /** What exactly, where there is a name for it: context_length_exceeded, queue_full, model_loading and so on. */
  readonly code: string | null;
  /** The request's field that is to blame, where there is one. */
  readonly param: string | null;
  /** Under which the server's log speaks of the request. */
  readonly requestId: string | null;
  /** When to come again, if the server said so. */
  readonly retryAfterSeconds: number | null;
  /** Whatever else the server said, such as prompt_tokens and context_length. */
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

/** OpenAI's `error`, or the fields themselves, as other servers have them; some say it as a text. */
function errorFields(body: unknown): Readonly<Record<string, unknown>> {
  if (typeof body !== "object" || body === null) return {};
  if (!("error" in body)) return "detail" in body ? { message: body.detail, ...body } : { ...body };
  if (typeof body.error === "string") return { message: body.error };
  return typeof body.error === "object" && body.error !== null ? { ...body.error } : {};
}

/** The server could not be reached, or the connection broke before the answer was whole. */
export class MagdiConnectionError extends Error {
  override readonly name: string = "MagdiConnectionError";
  /** The code that a WebSocket was closed with, such as 1013 for a reader that was too slow. */
  readonly closeCode: number | null;

  constructor(message: string, options: { cause?: unknown; closeCode?: number } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.closeCode = options.closeCode ?? null;
  }
}

/** Nothing came for longer than `timeoutMs`. */
export class MagdiTimeoutError extends MagdiConnectionError {
  override readonly name = "MagdiTimeoutError";
}
