// From errors to HTTP: status, body in OpenAI's shape, and the reason that a metric counts. Stacks, file paths and other
// internals never reach a client.
import { type ErrorCode, MagdiError } from "../../base/errors.ts";

const MAX_MESSAGE_CHARS = 2000;

interface HttpShape {
  readonly status: number;
  readonly type: string;
  readonly code: string | null;
  readonly reason: FailureReason;
  readonly retryAfterSeconds?: number;
}

/** All label values of magdi_request_failures_total{reason}. */
export const FAILURE_REASONS = [
  "invalid",
  "context_length",
  "unknown_model",
  "unauthenticated",
  "rate_limited",
  "queue_full",
  "too_many_requests",
  "queue_timeout",
  "overloaded",
  "loading",
  "shutting_down",
  "engine_stalled",
  "engine_failed",
  "no_agents",
  "debate_budget",
  "agents_failed",
  "cancelled",
  "disconnect",
  "internal",
] as const;
export type FailureReason = (typeof FAILURE_REASONS)[number];

const INVALID = "invalid_request_error";
const SERVER = "server_error";

const SHAPES: Partial<Record<ErrorCode, HttpShape>> = {
  MAGDI_BAD_REQUEST: { status: 400, type: INVALID, code: null, reason: "invalid" },
  MAGDI_CONTEXT_LENGTH: {
    status: 400,
    type: INVALID,
    code: "context_length_exceeded",
    reason: "context_length",
  },
  MAGDI_UNKNOWN_MODEL: { status: 404, type: INVALID, code: "model_not_found", reason: "unknown_model" },
  MAGDI_UNAUTHENTICATED: {
    status: 401,
    type: "authentication_error",
    code: "invalid_api_key",
    reason: "unauthenticated",
  },
  MAGDI_FORBIDDEN: {
    status: 403,
    type: "permission_error",
    code: "missing_right",
    reason: "unauthenticated",
  },
  MAGDI_FORBIDDEN_ORIGIN: {
    status: 403,
    type: "permission_error",
    code: "forbidden_origin",
    reason: "invalid",
  },
  MAGDI_FORBIDDEN_HOST: {
    status: 403,
    type: "permission_error",
    code: "forbidden_host",
    reason: "invalid",
  },
  MAGDI_RATE_LIMIT: {
    status: 429,
    type: "rate_limit_error",
    code: "rate_limit_exceeded",
    reason: "rate_limited",
  },
  MAGDI_QUEUE_FULL: {
    status: 429,
    type: "rate_limit_error",
    code: "queue_full",
    reason: "queue_full",
    retryAfterSeconds: 1,
  },
  MAGDI_TOO_MANY_REQUESTS: {
    status: 429,
    type: "rate_limit_error",
    code: "too_many_requests",
    reason: "too_many_requests",
    retryAfterSeconds: 1,
  },
  MAGDI_QUEUE_TIMEOUT: {
    status: 503,
    type: SERVER,
    code: "queue_timeout",
    reason: "queue_timeout",
    retryAfterSeconds: 1,
  },
  MAGDI_OVERLOADED: {
    status: 503,
    type: SERVER,
    code: "overloaded",
    reason: "overloaded",
    retryAfterSeconds: 1,
  },
  MAGDI_MODEL_LOADING: {
    status: 503,
    type: SERVER,
    code: "model_loading",
    reason: "loading",
    retryAfterSeconds: 1,
  },
  MAGDI_SHUTTING_DOWN: { status: 503, type: SERVER, code: "shutting_down", reason: "shutting_down" },
  MAGDI_ENGINE_STALLED: {
    status: 503,
    type: SERVER,
    code: "engine_stalled",
    reason: "engine_stalled",
    retryAfterSeconds: 5,
  },
  MAGDI_ENGINE_FAILED: { status: 503, type: SERVER, code: "engine_failed", reason: "engine_failed" },
  MAGDI_NO_AGENTS: { status: 501, type: INVALID, code: "no_agents", reason: "no_agents" },
  MAGDI_DEBATE_BUDGET: {
    status: 429,
    type: "rate_limit_error",
    code: "budget_exceeded",
    reason: "debate_budget",
  },
  MAGDI_AGENTS_FAILED: { status: 502, type: SERVER, code: "agents_failed", reason: "agents_failed" },
  MAGDI_CANCELLED: { status: 499, type: SERVER, code: "cancelled", reason: "cancelled" },
};

/** The HTTP form of an error code; codes for internals (files, graphs) are plain 500s. */
export function shapeOf(code: ErrorCode): HttpShape {
  return SHAPES[code] ?? INTERNAL;
}

const INTERNAL: HttpShape = { status: 500, type: SERVER, code: "internal_error", reason: "internal" };
const INTERNAL_MESSAGE = "internal server error; the server's log has the cause under this request id";
const ENGINE_FAILED_MESSAGE = "the engine has failed; the server must be restarted";

export interface ErrorBody {
  readonly error: {
    readonly message: string;
    readonly type: string;
    readonly param: string | null;
    readonly code: string | null;
    /** prompt_tokens, context_length and the like. */
    readonly [detail: string]: string | number | null;
  };
}

export interface HttpError {
  readonly status: number;
  readonly body: ErrorBody;
  readonly reason: FailureReason;
  readonly retryAfterSeconds: number | null;
}

export function errorBody(
  message: string,
  type: string,
  code: string | null,
  param: string | null = null,
  details: Readonly<Record<string, string | number>> = {},
): ErrorBody {
  const bounded =
    message.length > MAX_MESSAGE_CHARS
      ? `${message.slice(0, MAX_MESSAGE_CHARS).replace(/[\uD800-\uDBFF]$/, "")}…`
      : message;
  return { error: { ...details, message: bounded, type, param, code } };
}

/** The HTTP response for anything that was thrown. */
export function toHttpError(error: unknown): HttpError {
  if (error instanceof MagdiError) {
    const shape = shapeOf(error.code);
    const message =
      shape === INTERNAL
        ? INTERNAL_MESSAGE
        : error.code === "MAGDI_ENGINE_FAILED"
          ? ENGINE_FAILED_MESSAGE
          : error.message;
    return {
      status: shape.status,
      body: errorBody(message, shape.type, shape.code, error.param, shape === INTERNAL ? {} : error.details),
      reason: shape.reason,
      retryAfterSeconds: retryAfter(error) ?? shape.retryAfterSeconds ?? null,
    };
  }
  const status = clientStatusOf(error);
  if (status !== null && error instanceof Error) {
    return {
      status,
      body: errorBody(frameworkMessage(error), INVALID, null),
      reason: "invalid",
      retryAfterSeconds: null,
    };
  }
  return {
    status: INTERNAL.status,
    body: errorBody(INTERNAL_MESSAGE, INTERNAL.type, INTERNAL.code),
    reason: INTERNAL.reason,
    retryAfterSeconds: null,
  };
}

function retryAfter({ details }: MagdiError): number | null {
  const seconds = details.retry_after_seconds;
  return typeof seconds === "number" ? seconds : null;
}

/** Fastify and Node set a 4xx statusCode on errors that the client caused. */
function clientStatusOf(error: unknown): number | null {
  if (typeof error !== "object" || error === null || !("statusCode" in error)) return null;
  const status = error.statusCode;
  return typeof status === "number" && status >= 400 && status < 500 ? status : null;
}

function frameworkMessage(error: Error): string {
  const code = "code" in error ? error.code : undefined;
  switch (code) {
    case "FST_ERR_CTP_BODY_TOO_LARGE":
      return "the request body exceeds the server's limit (bodyLimitBytes)";
    case "FST_ERR_CTP_INVALID_MEDIA_TYPE":
      return "the body must be JSON: send the header content-type: application/json";
    case "FST_ERR_CTP_EMPTY_JSON_BODY":
      return "the body is empty; expected a JSON object";
    case "FST_ERR_CTP_INVALID_CONTENT_LENGTH":
      return "content-length does not match the body that was sent";
    case "FST_ERR_CTP_INVALID_JSON_BODY":
      return "the body is not valid JSON, or has a forbidden key such as __proto__";
    default:
      return error.message || "bad request";
  }
}
