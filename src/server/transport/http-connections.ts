// The server's TCP connections: gives out the places that there are, answers malformed, slow and oversized requests that
// never reach Fastify, without corrupting a response that is being written, and closes connections on shutdown.
import type { IncomingMessage, ServerResponse } from "node:http";
import { Socket } from "node:net";
import type { ConnectionError, FastifyInstance } from "fastify";
import type { Clock } from "../../base/clock.ts";
import { MagdiError } from "../../base/errors.ts";
import { networkOf } from "../access/client-network.ts";
import type { ConnectionRoom } from "../access/connection-room.ts";
import type { LimitWatch } from "../observation/limit-watch.ts";
import { keepHalfClosed, probeHalfClosed } from "./half-closed.ts";
import { HttpConnection } from "./http-connection.ts";
import { Places, type Shortage } from "./places.ts";
import { rejectConnectionError, rejectSocket } from "./raw-rejection.ts";
import type { UnreadAnswers } from "./unread-answers.ts";

/** Time that clients have to read their responses when the server closes. */
const FINAL_READ_MS = 2000;
/** A connection that the client has used more recently is not closed for another. */
const MIN_IDLE_MS = 5000;
/** More than any client that pipelines has. All that arrive at once are begun at once, in one turn of the event loop. */
const MAX_UNANSWERED = 32;
/** Requests behind others on their connections, of all of them: each takes some 8 kB. */
export const MAX_PIPELINED = 1024;
/** Answers of more are counted as soon as they are written. */
const LARGE_ANSWER_BYTES = 16_384;

export interface ConnectionLimits {
  readonly limits: LimitWatch;
  readonly room: ConnectionRoom;
  readonly perClient: number;
  /** Of MAX_PIPELINED. */
  readonly pipelinedPerClient: number;
  readonly unread: UnreadAnswers;
  /** Whether the peer is a proxy that is trusted to say for whom it asks; it may have any number of connections. */
  isProxy(address: string): boolean;
}

export class HttpConnections {
  readonly #open = new Map<Socket, HttpConnection>();
  readonly #clock: Clock;
  #closing = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get size(): number {
    return this.#open.size;
  }

  watch(app: FastifyInstance, options: ConnectionLimits): void {
    const { limits, room, perClient, unread, isProxy } = options;
    const { server } = app;
    const onGiveUp = (limit: "idle_connection" | "probe_connections") => (connection: HttpConnection) => {
      limits.reached(limit);
      this.#giveUp(connection);
    };
    const places = new Places<HttpConnection>({
      clock: this.#clock,
      total: room.connections,
      perClient,
      minIdleMs: MIN_IDLE_MS,
      onGiveUp: onGiveUp("idle_connection"),
    });
    // Whoever finds no place may still ask the probes; who says nothing there makes room for the next at once.
    const probePlaces = new Places<HttpConnection>({
      clock: this.#clock,
      total: room.probes,
      perClient: room.probes,
      minIdleMs: 0,
      onGiveUp: onGiveUp("probe_connections"),
    });

    const admit = (socket: Socket): HttpConnection | undefined => {
      const address = socket.remoteAddress;
      if (this.#closing || address === undefined) {
        socket.destroy();
        return undefined;
      }
      const connection = new HttpConnection(socket, networkOf(address));
      connection.refusal = places.take(connection, isProxy(address) ? null : connection.client);
      if (connection.refusal !== null) {
        limits.reached(connection.refusal === "client" ? "client_connections" : "connections");
        if (probePlaces.take(connection, null) !== null) {
          socket.destroy();
          return undefined;
        }
      }
      this.#open.set(socket, connection);
      socket.once("end", () => {
        if (!connection.upgraded) probeHalfClosed(socket, connection.pending);
      });
      socket.once("close", () => {
        this.#open.delete(socket);
        places.leave(connection);
        probePlaces.leave(connection);
        unread.forget(connection);
        for (const response of connection.pending) closeDetached(response);
      });
      return connection;
    };

    keepHalfClosed(app);
    // Beyond this Node closes them before anything is made for them.
    server.maxConnections = room.connections + 2 * room.probes;
    server.on("drop", () => limits.reached("connections"));
    server.on("connection", admit);
    server.on("error", (error) => {
      if (server.listening) limits.reached("descriptors", error);
    });
    this.#limitPipelining(app, options);

    app.addHook("onRequest", async (request, reply) => {
      const { raw } = request;
      // Of "localhost" Fastify listens on a second address too, whose connections begin here.
      const known = this.#open.get(raw.socket);
      // A request that app.inject makes up has no real one.
      const connection = known ?? (raw.socket instanceof Socket ? admit(raw.socket) : undefined);
      if (connection === undefined) return;
      const response = reply.raw;
      connection.latest = { request: raw, response };
      connection.client = networkOf(request.ip);
      connection.pending.add(response);
      unread.watch(connection);
      response.once("close", () => {
        connection.pending.delete(response);
        if (connection.pending.size > 0 || connection.upgraded) return;
        unread.forget(connection);
        places.idle(connection);
      });
      if (connection.refusal === null) return;
      probePlaces.busy(connection);
      response.shouldKeepAlive = false;
      if (!request.routeOptions.config.open) throw refusalOf(connection.refusal);
    });
    // Until here the server waits for its client.
    app.addHook("preHandler", async ({ raw }) => {
      const connection = this.#open.get(raw.socket);
      if (connection !== undefined) places.busy(connection);
    });
    app.addHook("onSend", async ({ raw }, _reply, payload) => {
      const connection = this.#open.get(raw.socket);
      const isText = typeof payload === "string" || Buffer.isBuffer(payload);
      if (connection === undefined || !isText || payload.length < LARGE_ANSWER_BYTES) return;
      setImmediate(() => unread.look(connection));
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
      rejectConnectionError(socket, error);
    } else if (latest.request.complete) {
      // The bad data came after a good request, which gets its response first.
      latest.response.once("finish", () => rejectConnectionError(socket, error));
    } else if (latest.response.socket === socket && !latest.response.headersSent) {
      rejectConnectionError(socket, error);
    } else {
      // A response has begun on this connection: nothing else can be written.
      socket.destroy();
    }
  };

  /** It lost its place: a request of which only a part has come is answered. */
  #giveUp(connection: HttpConnection): void {
    const { socket, latest } = connection;
    if (connection.rejected || socket.destroyed) return;
    connection.rejected = true;
    if (latest !== null && !latest.request.complete && nothingBegun(connection)) {
      rejectSocket(socket, refusalOf("total"));
    } else socket.destroy();
  }

  /**
   * Requests that arrive together are all begun within one turn of the event loop, however many they are, and even after
   * their connection was cut: those that are too many never reach Fastify.
   */
  #limitPipelining(app: FastifyInstance, { limits, pipelinedPerClient, isProxy }: ConnectionLimits): void {
    const { server } = app;
    const behind = new Places<ServerResponse>({
      clock: this.#clock,
      total: MAX_PIPELINED,
      perClient: pipelinedPerClient,
      minIdleMs: Number.POSITIVE_INFINITY,
      onGiveUp() {},
    });
    const hasPlace = ({ socket, client, unanswered }: HttpConnection, response: ServerResponse): boolean => {
      if (unanswered === 0) return true;
      if (unanswered >= MAX_UNANSWERED) return false;
      const counted = isProxy(socket.remoteAddress ?? "") ? null : client;
      return behind.take(response, counted) === null;
    };
    const listeners = server.listeners("request");
    server.removeAllListeners("request");
    server.on("request", (request: IncomingMessage, response: ServerResponse) => {
      const connection = this.#open.get(request.socket);
      if (connection !== undefined) {
        if (connection.rejected || request.socket.destroyed) return;
        if (!hasPlace(connection, response)) {
          limits.reached("pipelined");
          connection.rejected = true;
          if (nothingBegun(connection)) rejectSocket(request.socket, tooManyUnanswered());
          else request.socket.destroy();
          return;
        }
        connection.unanswered++;
        response.once("close", () => {
          connection.unanswered--;
          behind.leave(response);
        });
      }
      for (const listener of listeners) listener.call(server, request, response);
    });
  }
}

/** No response has been begun, so that another can be written. */
function nothingBegun({ pending }: HttpConnection): boolean {
  return [...pending].every((response) => !response.headersSent);
}

/** Node emits no "close" for a pipelined response that was never assigned the connection; this does. */
function closeDetached(response: ServerResponse): void {
  if (response.socket !== null || response.writableFinished) return;
  response.destroy();
  response.emit("close");
}

function refusalOf(shortage: Shortage): MagdiError {
  return shortage === "client"
    ? new MagdiError(
        "MAGDI_TOO_MANY_REQUESTS",
        "your address has as many connections as the server takes from one client; close some, or use them again",
      )
    : new MagdiError("MAGDI_OVERLOADED", "the server has as many connections as it takes; retry in a moment");
}

function tooManyUnanswered(): MagdiError {
  return new MagdiError(
    "MAGDI_TOO_MANY_REQUESTS",
    `too many requests are unanswered: at most ${MAX_UNANSWERED} of a connection, and ${MAX_PIPELINED} of all that wait behind others on theirs; wait for answers`,
  );
}
