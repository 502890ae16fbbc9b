// Puts the error shape on every way out of the app: handlers, validation, unknown routes, and requests too broken
// to reach a route. It knows no route.
import { randomUUID } from "node:crypto";
import type { FastifyInstance, FastifyReply, FastifyServerOptions } from "fastify";
import type { Metrics } from "../observation/metrics.ts";
import { REQUEST_ID_HEADER } from "../observation/request-id.ts";
import { type ErrorBody, errorBody, type HttpError, toHttpError } from "./http-errors.ts";

const METHODS = ["GET", "POST"] as const;

function install(app: FastifyInstance, metrics: Metrics): void {
  app.setErrorHandler((error, request, reply) => {
    const failure = toHttpError(error);
    if (request.routeOptions.config.inference) metrics.countFailure(failure.reason);
    if (failure.status >= 500) request.log.error({ err: error }, "a request failed");
    return send(reply, failure);
  });
  app.setNotFoundHandler((request, reply) => {
    const path = request.url.split("?")[0] ?? "/";
    const allowed = METHODS.filter((method) => app.hasRoute({ method, url: path }));
    const shown = `${request.method} ${path.slice(0, 200)}`;
    if (allowed.length > 0) {
      reply.header("allow", allowed.join(", "));
      return reply.code(405).send(invalid(`${shown}: this path takes ${allowed.join(", ")}`));
    }
    return reply.code(404).send(invalid(`${shown}: no such endpoint; GET / lists them`));
  });
}

function send(reply: FastifyReply, failure: HttpError) {
  if (failure.retryAfterSeconds !== null) reply.header("retry-after", failure.retryAfterSeconds);
  // An error has one shape whatever the route's own responses are.
  return reply
    .code(failure.status)
    .header("content-type", "application/json; charset=utf-8")
    .serializer(JSON.stringify)
    .send(failure.body);
}

function invalid(message: string): ErrorBody {
  return errorBody(message, "invalid_request_error", null);
}

/** Fastify's options for what fails before there is a route. */
const serverOptions = {
  frameworkErrors(error, _request, reply) {
    void send(reply.header(REQUEST_ID_HEADER, randomUUID()) as FastifyReply, toHttpError(error));
  },
  clientErrorHandler(error, socket) {
    if (error.code === "ECONNRESET" || !socket.writable) return;
    const [status, message] =
      error.code === "HPE_HEADER_OVERFLOW"
        ? ["431 Request Header Fields Too Large", "the headers are larger than the server takes"]
        : error.code === "ERR_HTTP_REQUEST_TIMEOUT"
          ? ["408 Request Timeout", "the request did not arrive in time"]
          : ["400 Bad Request", "what arrived is not valid HTTP"];
    const body = JSON.stringify(invalid(message));
    socket.end(
      `HTTP/1.1 ${status}\r\ncontent-type: application/json; charset=utf-8\r\n${REQUEST_ID_HEADER}: ${randomUUID()}\r\n` +
        `content-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
    );
  },
} satisfies FastifyServerOptions;

export const answerErrors = { install, serverOptions };
