// The error responses of a route in the OpenAPI document, derived from its options and schema.
import { ERROR_CODES, type ErrorCode } from "../../base/errors.ts";
import { errorBody, shapeOf } from "../transport/http-errors.ts";
import type { ResponseObject } from "./openapi-document.ts";
import type { DescribedRoute } from "./route-list.ts";

/** Fastify's own errors for routes with a body. */
const BODY_ERRORS: Readonly<Record<number, string>> = {
  413: "the request body exceeds the server's limit (bodyLimitBytes)",
  415: "the body must be JSON: send the header content-type: application/json",
};

const ERROR_REFERENCE = { $ref: "#/components/schemas/Error" };
const RETRY_AFTER = { $ref: "#/components/headers/Retry-After" };

/** The codes that a route may answer with; those from its `errors` option first. */
export function errorCodesOf({ config, schema }: DescribedRoute): ErrorCode[] {
  const codes = new Set<ErrorCode>(config?.errors);
  if (schema?.body || schema?.params) codes.add("MAGDI_BAD_REQUEST");
  if (config?.inference) {
    codes.add("MAGDI_CONTEXT_LENGTH").add("MAGDI_UNKNOWN_MODEL").add("MAGDI_RATE_LIMIT");
    codes.add("MAGDI_QUEUE_FULL").add("MAGDI_QUEUE_TIMEOUT");
    codes.add("MAGDI_MODEL_LOADING").add("MAGDI_SHUTTING_DOWN").add("MAGDI_ENGINE_STALLED");
    codes.add("MAGDI_ENGINE_FAILED");
  }
  if (config?.limited) codes.add("MAGDI_RATE_LIMIT");
  if (!config?.open)
    codes.add("MAGDI_TOO_MANY_REQUESTS").add("MAGDI_OVERLOADED").add("MAGDI_UNAUTHENTICATED");
  if (!config?.open && config?.right !== "any") codes.add("MAGDI_FORBIDDEN");
  codes.add("MAGDI_FORBIDDEN_HOST");
  return [...codes];
}

/** By status. Every route may fail with 500. */
export function errorResponsesOf(route: DescribedRoute): Record<string, ResponseObject> {
  const statuses = new Map<number, { codes: string[]; examples: [string, object][] }>();
  const add = (status: number, code: string | null, type: string, meaning: string) => {
    const entry = statuses.get(status) ?? { codes: [], examples: [] };
    entry.codes.push(code === null ? meaning : `\`${code}\`: ${meaning}`);
    entry.examples.push([code ?? type, errorBody(meaning, type, code)]);
    statuses.set(status, entry);
  };
  for (const errorCode of errorCodesOf(route)) {
    const { status, code, type } = shapeOf(errorCode);
    add(status, code, type, ERROR_CODES[errorCode]);
  }
  if (route.schema?.body) {
    for (const [status, meaning] of Object.entries(BODY_ERRORS)) {
      add(Number(status), null, "invalid_request_error", meaning);
    }
  }
  add(
    500,
    "internal_error",
    "server_error",
    "internal server error; the server's log has the cause under the request id",
  );
  return Object.fromEntries([...statuses].map(([status, entry]) => [status, responseOf(status, entry)]));
}

function responseOf(
  status: number,
  { codes, examples }: { codes: readonly string[]; examples: readonly [string, object][] },
): ResponseObject {
  const description = codes.length === 1 ? (codes[0] ?? "") : codes.map((text) => `- ${text}`).join("\n");
  return {
    description,
    ...(status === 429 || status === 503 ? { headers: { "Retry-After": RETRY_AFTER } } : {}),
    content: {
      "application/json": {
        schema: ERROR_REFERENCE,
        examples: Object.fromEntries(examples.map(([name, value]) => [name, { value }])),
      },
    },
  };
}
