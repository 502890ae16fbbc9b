// Answers what is too broken to become a request: not HTTP, too slow, too large a head. It knows no routes, and writes
// into no answer that is on its way.
import { randomUUID } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { ConnectionError, FastifyInstance } from "fastify";
import { REQUEST_ID_HEADER } from "../observation/request-id.ts";
import { errorBody } from "./http-errors.ts";

/** What a client gets to read the answer: a connection cut while bytes arrive loses what was sent last. */
const LINGER_MS = 1000;

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

const latest = new WeakMap<Socket, Exchange>();
const refused = new WeakSet<Socket>();

/** Remembers the latest exchange of each connection. */
export function watchExchanges(app: FastifyInstance): void {
  app.addHook("onRequest", async (request, reply) => {
    latest.set(request.raw.socket, { request: request.raw, response: reply.raw });
  });
}

/** Fastify's clientErrorHandler. */
export function answerBrokenRequest(error: ConnectionError, socket: Socket): void {
  if (refused.has(socket)) return;
  refused.add(socket);
  if (error.code === "ECONNRESET" || !socket.writable) {
    socket.destroy();
    return;
  }
  const exchange = latest.get(socket);
  if (exchange === undefined || (exchange.request.complete && exchange.response.writableFinished)) {
    refuse(socket, error);
    return;
  }
  const { request, response } = exchange;
  if (request.complete) {
    // What is broken came after it: first its own answer, whole or streamed.
    response.once("finish", () => refuse(socket, error));
  } else if (response.socket === socket && !response.headersSent) {
    refuse(socket, error);
  } else {
    // Its answer has begun, or an earlier one has: no other can be written.
    socket.destroy();
  }
}

function refuse(socket: Socket, error: ConnectionError): void {
  const [status, message] = reasonOf(error);
  const body = JSON.stringify(errorBody(message, "invalid_request_error", null));
  socket.end(
    `HTTP/1.1 ${status}\r\ncontent-type: application/json; charset=utf-8\r\n${REQUEST_ID_HEADER}: ${randomUUID()}\r\n` +
      `content-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
  );
  const timer = setTimeout(() => socket.destroy(), LINGER_MS).unref();
  socket.once("close", () => clearTimeout(timer));
}

function reasonOf({ code }: ConnectionError): readonly [status: string, message: string] {
  switch (code) {
    case "HPE_HEADER_OVERFLOW":
      return ["431 Request Header Fields Too Large", "the headers are larger than the server takes"];
    case "ERR_HTTP_REQUEST_TIMEOUT":
      return ["408 Request Timeout", "the request did not arrive in time"];
    case "HPE_CHUNK_EXTENSIONS_OVERFLOW":
      return ["413 Payload Too Large", "the chunk extensions are larger than the server takes"];
    default:
      return ["400 Bad Request", "what arrived is not valid HTTP"];
  }
}
