// The server's TCP connections: answers malformed, slow and oversized requests that never reach Fastify, without
// corrupting a response that is being written, and closes connections on shutdown.
import { randomUUID } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { ConnectionError, FastifyInstance } from "fastify";
import type { Clock } from "../../base/clock.ts";
import { keepHalfClosed, probeHalfClosed } from "./half-closed.ts";
import { errorBody } from "./http-errors.ts";
import { REQUEST_ID_HEADER } from "./request-headers.ts";

/** Time to read the error before the connection is destroyed: destroying it while data arrives would lose the error. */
const LINGER_MS = 1000;
/** Time that clients have to read their responses when the server closes. */
const FINAL_READ_MS = 2000;

interface Connection {
  /** The latest request whose headers have arrived, and its response. */
  latest: { readonly request: IncomingMessage; readonly response: ServerResponse } | null;
  /** Responses not closed yet; there are several if requests are pipelined. */
  readonly pending: Set<ServerResponse>;
  rejected: boolean;
}

export class HttpConnections {
  readonly #open = new Map<Socket, Connection>();
  readonly #clock: Clock;
  #closing = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  watch(app: FastifyInstance): void {
    keepHalfClosed(app);
    app.server.on("connection", (socket: Socket) => {
      if (this.#closing) {
        socket.destroy();
        return;
      }
      const connection: Connection = { latest: null, pending: new Set(), rejected: false };
      this.#open.set(socket, connection);
      socket.once("end", () => {
        const request = connection.latest?.request;
        const upgraded = request !== undefined && "upgrade" in request && request.upgrade === true;
        if (!upgraded) probeHalfClosed(socket, connection.pending);
      });
      socket.once("close", () => {
        this.#open.delete(socket);
        for (const response of connection.pending) closeDetached(response);
      });
    });
    app.addHook("onRequest", async ({ raw: request }, { raw: response }) => {
      const connection = this.#open.get(request.socket);
      if (connection === undefined) return;
      connection.latest = { request, response };
      connection.pending.add(response);
      response.once("close", () => connection.pending.delete(response));
    });
  }

  /**
   * Closes all connections without a response in progress and rejects new ones; after two seconds closes the others too.
   * The returned function cancels that timer.
   */
  closeIdle(): () => void {
    this.#closing = true;
    for (const [socket, { latest }] of this.#open) {
      const answering = latest?.request.complete === true && !latest.response.writableFinished;
      if (!answering) socket.destroySoon();
    }
    return this.#clock.setTimer(FINAL_READ_MS, () => {
      for (const socket of this.#open.keys()) socket.destroy();
    });
  }

  /** Fastify's clientErrorHandler. */
  readonly answerClientError = (error: ConnectionError, socket: Socket): void => {
    const connection = this.#open.get(socket);
    if (connection?.rejected) return;
    if (connection === undefined || error.code === "ECONNRESET" || !socket.writable) {
      socket.destroy();
      return;
    }
    connection.rejected = true;
    const { latest } = connection;
    if (latest === null || (latest.request.complete && latest.response.writableFinished)) {
      reject(socket, error);
    } else if (latest.request.complete) {
      // The bad data came after a good request, which gets its response first.
      latest.response.once("finish", () => reject(socket, error));
    } else if (latest.response.socket === socket && !latest.response.headersSent) {
      reject(socket, error);
    } else {
      // A response has begun on this connection: nothing else can be written.
      socket.destroy();
    }
  };
}

/** Node emits no "close" for a pipelined response that was never assigned the connection; this does. */
function closeDetached(response: ServerResponse): void {
  if (response.socket !== null || response.writableFinished) return;
  response.destroy();
  response.emit("close");
}

function reject(socket: Socket, error: ConnectionError): void {
  const [status, message] = statusOf(error);
  const body = JSON.stringify(errorBody(message, "invalid_request_error", null));
  socket.end(
    `HTTP/1.1 ${status}\r\ncontent-type: application/json; charset=utf-8\r\n${REQUEST_ID_HEADER}: ${randomUUID()}\r\n` +
      `content-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
  );
  const timer = setTimeout(() => socket.destroy(), LINGER_MS).unref();
  socket.once("close", () => clearTimeout(timer));
}

function statusOf({ code }: ConnectionError): readonly [status: string, message: string] {
  switch (code) {
    case "HPE_HEADER_OVERFLOW":
      return ["431 Request Header Fields Too Large", "the request headers are too large"];
    case "ERR_HTTP_REQUEST_TIMEOUT":
      return ["408 Request Timeout", "the request did not arrive in time"];
    case "HPE_CHUNK_EXTENSIONS_OVERFLOW":
      return ["413 Payload Too Large", "the chunk extensions are too large"];
    default:
      return ["400 Bad Request", "malformed HTTP request"];
  }
}
