// The TCP connections of the server: answers what is too broken to become a request (not HTTP, too slow, too large a
// head), writes into no answer that is on its way, and cuts half-sent requests when the server closes. It knows no
// routes.
import { randomUUID } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { ConnectionError, FastifyInstance } from "fastify";
import type { Clock } from "../../base/clock.ts";
import { errorBody } from "./http-errors.ts";
import { REQUEST_ID_HEADER } from "./request-id.ts";

/** What a client gets to read the answer: a connection cut while bytes arrive loses what was sent last. */
const LINGER_MS = 1000;
/** What answers that are on their way get to be read when the server closes. */
const LAST_READ_MS = 2000;

interface Connection {
  /** The latest request of which the head has arrived, and its answer. */
  latest: { readonly request: IncomingMessage; readonly response: ServerResponse } | null;
  /** Answers that are not closed: those of pipelined requests wait for one another. */
  readonly pending: Set<ServerResponse>;
  refused: boolean;
}

export class HttpConnections {
  readonly #open = new Map<Socket, Connection>();
  readonly #clock: Clock;
  #closing = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  watch(app: FastifyInstance): void {
    app.server.on("connection", (socket: Socket) => {
      if (this.#closing) {
        socket.destroy();
        return;
      }
      const connection: Connection = { latest: null, pending: new Set(), refused: false };
      this.#open.set(socket, connection);
      socket.once("close", () => {
        this.#open.delete(socket);
        for (const response of connection.pending) closeForgotten(response);
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
   * Cuts every connection of which nothing is being answered, and takes no more of them; the others are cut as well
   * if their answers are not read in time. The returned function takes that back.
   */
  cutUnanswered(): () => void {
    this.#closing = true;
    for (const [socket, { latest }] of this.#open) {
      const answering = latest?.request.complete === true && !latest.response.writableFinished;
      if (!answering) socket.destroySoon();
    }
    return this.#clock.setTimer(LAST_READ_MS, () => {
      for (const socket of this.#open.keys()) socket.destroy();
    });
  }

  /** Fastify's clientErrorHandler. */
  readonly answerBroken = (error: ConnectionError, socket: Socket): void => {
    const connection = this.#open.get(socket);
    if (connection?.refused) return;
    if (connection === undefined || error.code === "ECONNRESET" || !socket.writable) {
      socket.destroy();
      return;
    }
    connection.refused = true;
    const { latest } = connection;
    if (latest === null || (latest.request.complete && latest.response.writableFinished)) {
      refuse(socket, error);
    } else if (latest.request.complete) {
      // What is broken came after it: first its own answer, whole or streamed.
      latest.response.once("finish", () => refuse(socket, error));
    } else if (latest.response.socket === socket && !latest.response.headersSent) {
      refuse(socket, error);
    } else {
      // Its answer has begun, or an earlier one has: no other can be written.
      socket.destroy();
    }
  };
}

/** Node forgets an answer that waits behind another one: it gets no connection, and is not told that there is none. */
function closeForgotten(response: ServerResponse): void {
  if (response.socket !== null || response.writableFinished) return;
  response.destroy();
  response.emit("close");
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
