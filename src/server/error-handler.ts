// Error responses: everything that fails (handlers, validation, unknown routes, malformed requests) is answered in the
// API's error shape.
import type { FastifyInstance, FastifyReply, FastifyServerOptions, RouteOptions } from "fastify";
import { authenticate } from "./access/authentication.ts";
import type { Metrics } from "./observation/metrics.ts";
import { type ErrorBody, errorBody, type HttpError, toHttpError } from "./transport/http-errors.ts";
import { prefersHtml, REQUEST_ID_HEADER } from "./transport/request-headers.ts";

const METHODS = ["GET", "POST"] as const;

type KnownRoute = Pick<RouteOptions, "method" | "url">;

const BASIC = 'Basic realm="magdi", charset="UTF-8"';
const BEARER = 'Bearer realm="magdi"';

/** `routes` are the app's routes, read when a request comes: for 405 and its `allow` header. */
export function installErrorHandlers(
  app: FastifyInstance,
  metrics: Metrics,
  routes: readonly KnownRoute[],
): void {
  app.setErrorHandler((error, request, reply) => {
    const failure = toHttpError(error);
    request.trace?.failed(failure);
    const { inference, debate } = request.routeOptions.config;
    if (inference || debate) metrics.countFailure(failure.reason);
    if (failure.status >= 500) request.log.error({ err: error }, "request failed");
    return send(reply, failure);
  });
  app.setNotFoundHandler((request, reply) => {
    const path = request.url.split("?")[0] ?? "/";
    const methods = routes.filter(({ url }) => fits(url, path)).flatMap(({ method }) => method);
    const allowed = METHODS.filter((method) => methods.includes(method));
    const shown = `${request.method} ${path.slice(0, 200)}`;
    if (allowed.length > 0) {
      reply.header("allow", allowed.join(", "));
      return reply.code(405).send(invalid(`${shown}: this path accepts ${allowed.join(", ")}`));
    }
    return reply.code(404).send(invalid(`${shown}: no such endpoint; GET / lists them`));
  });
}

/** Whether a path matches a route's. Not app.hasRoute: it would read colons and stars in the client's path as patterns. */
function fits(url: string, path: string): boolean {
  const found = path.split("/");
  const expected = url.split("/");
  const segmentFits = (segment: string, index: number) =>
    segment.startsWith(":") ? found[index] !== "" : found[index] === segment;
  return expected.length === found.length && expected.every(segmentFits);
}

function send(reply: FastifyReply, failure: HttpError) {
  if (failure.retryAfterSeconds !== null) reply.header("retry-after", failure.retryAfterSeconds);
  if (failure.status === 401) reply.header("www-authenticate", challenges(reply.request.headers.accept));
  // Fastify asks to close the connection after a bad body, which can lose the answer. The rest of the body is read and
  // discarded, for a bounded time.
  if (!reply.server.lifecycle.draining) reply.removeHeader("connection");
  // The route's own serializer is for its 200 response.
  return reply
    .code(failure.status)
    .header("content-type", "application/json; charset=utf-8")
    .serializer(JSON.stringify)
    .send(failure.body);
}

/**
 * Basic makes a browser show its login prompt, so it is offered only for pages, not for the requests that a page makes.
 * It comes first and both have a parameter, because some proxies join the two headers into one line.
 */
function challenges(accept: string | undefined): string[] {
  return prefersHtml(accept) ? [BASIC, BEARER] : [BEARER];
}

function invalid(message: string): ErrorBody {
  return errorBody(message, "invalid_request_error", null);
}

/** Fastify's options for errors before routing. */
export const frameworkErrorOptions = {
  frameworkErrors(error, request, reply) {
    const failure = toHttpError(authenticate(request) ?? error);
    reply.headers({ [REQUEST_ID_HEADER]: request.id, "cache-control": "no-store" });
    void send(reply as FastifyReply, failure);
  },
} satisfies FastifyServerOptions;
