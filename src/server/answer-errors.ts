// Puts the error shape on every way out of the app: handlers, validation, unknown routes, and requests too broken
// to reach a route. It knows no route.
import type { FastifyInstance, FastifyReply, FastifyServerOptions, RouteOptions } from "fastify";
import { identify } from "./access/authentication.ts";
import type { Metrics } from "./observation/metrics.ts";
import { prefersHtml } from "./transport/accept-header.ts";
import { type ErrorBody, errorBody, type HttpError, toHttpError } from "./transport/http-errors.ts";
import { REQUEST_ID_HEADER } from "./transport/request-id.ts";

const METHODS = ["GET", "POST"] as const;

type KnownRoute = Pick<RouteOptions, "method" | "url">;

const BASIC = 'Basic realm="magdi", charset="UTF-8"';
const BEARER = 'Bearer realm="magdi"';

/** `routes` are all that there are to be. */
function install(app: FastifyInstance, metrics: Metrics, routes: readonly KnownRoute[]): void {
  app.setErrorHandler((error, request, reply) => {
    const failure = toHttpError(error);
    request.trace?.failed(failure);
    if (request.routeOptions.config.inference) metrics.countFailure(failure.reason);
    if (failure.status >= 500) request.log.error({ err: error }, "a request failed");
    return send(reply, failure);
  });
  app.setNotFoundHandler((request, reply) => {
    const path = request.url.split("?")[0] ?? "/";
    const methods = routes.filter(({ url }) => fits(url, path)).flatMap(({ method }) => method);
    const allowed = METHODS.filter((method) => methods.includes(method));
    const shown = `${request.method} ${path.slice(0, 200)}`;
    if (allowed.length > 0) {
      reply.header("allow", allowed.join(", "));
      return reply.code(405).send(invalid(`${shown}: this path takes ${allowed.join(", ")}`));
    }
    return reply.code(404).send(invalid(`${shown}: no such endpoint; GET / lists them`));
  });
}

/** Whether a client's path leads to a route's. Fastify would read the client's own colons and stars as a pattern. */
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
  // Fastify closes after a bad body. What is left of one is discarded in bounded time: closing would lose the answer.
  if (!reply.server.admission.draining) reply.removeHeader("connection");
  // An error has one shape whatever the route's own responses are.
  return reply
    .code(failure.status)
    .header("content-type", "application/json; charset=utf-8")
    .serializer(JSON.stringify)
    .send(failure.body);
}

/**
 * A browser that opens a page asks its reader to log in; what the page asks then brings no such question. Basic is
 * first, and each has a parameter, for browsers behind proxies that make one line of two: they read it as one.
 */
function challenges(accept: string | undefined): string[] {
  return prefersHtml(accept) ? [BASIC, BEARER] : [BEARER];
}

function invalid(message: string): ErrorBody {
  return errorBody(message, "invalid_request_error", null);
}

/** Fastify's options for what fails before there is a route. */
const serverOptions = {
  frameworkErrors(error, request, reply) {
    const failure = toHttpError(identify(request) ?? error);
    void send(reply.header(REQUEST_ID_HEADER, request.id) as FastifyReply, failure);
  },
} satisfies FastifyServerOptions;

export const answerErrors = { install, serverOptions };
