// Answers on a connection whose request never reaches Fastify: an error in the API's shape, and the end.
import { randomUUID } from "node:crypto";
import { STATUS_CODES } from "node:http";
import type { Socket } from "node:net";
import type { ConnectionError } from "fastify";
import type { MagdiError } from "../../base/errors.ts";
import { type ErrorBody, errorBody, toHttpError } from "./http-errors.ts";
import { REQUEST_ID_HEADER } from "./request-headers.ts";

/** Time to read the error before the connection is destroyed: destroying it while data arrives would lose the error. */
const LINGER_MS = 1000;

export function rejectConnectionError(socket: Socket, { code }: ConnectionError): void {
  const [status, message] = statusOf(code);
  reject(socket, status, errorBody(message, "invalid_request_error", null));
}

export function rejectSocket(socket: Socket, error: MagdiError): void {
  const { status, body, retryAfterSeconds } = toHttpError(error);
  const headers = retryAfterSeconds === null ? "" : `retry-after: ${retryAfterSeconds}\r\n`;
  reject(socket, status, body, headers);
}

function reject(socket: Socket, status: number, error: ErrorBody, headers = ""): void {
  const body = JSON.stringify(error);
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\ncontent-type: application/json; charset=utf-8\r\n` +
      `${REQUEST_ID_HEADER}: ${randomUUID()}\r\n${headers}` +
      `content-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
  );
  const timer = setTimeout(() => socket.destroy(), LINGER_MS).unref();
  socket.once("close", () => clearTimeout(timer));
}

function statusOf(code: string): readonly [status: number, message: string] {
  switch (code) {
    case "HPE_HEADER_OVERFLOW":
      return [431, "the request headers are too large"];
    case "ERR_HTTP_REQUEST_TIMEOUT":
      return [408, "the request did not arrive in time"];
    case "HPE_CHUNK_EXTENSIONS_OVERFLOW":
      return [413, "the chunk extensions are too large"];
    default:
      return [400, "malformed HTTP request"];
  }
}
