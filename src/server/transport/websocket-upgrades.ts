// WebSocket upgrades: checks the handshake, after hooks such as authentication, gives out the places that there are, and
// closes open connections on shutdown.

import { IncomingMessage } from "node:http";
import fastifyWebsocket from "@fastify/websocket";
import type { FastifyInstance, FastifyRequest } from "fastify";
import type { Clock } from "../../base/clock.ts";
import { MagdiError } from "../../base/errors.ts";
import { chooseSubprotocol } from "../access/authentication.ts";
import { networkOf } from "../access/client-network.ts";
import type { LimitWatch } from "../observation/limit-watch.ts";
import { Places } from "./places.ts";
import { REQUEST_ID_HEADER } from "./request-headers.ts";
import { CLOSE_CODES, type WebSocketConnection } from "./websocket-connection.ts";

const HANDSHAKE_KEY = /^[+/0-9A-Za-z]{22}==$/;
const TOKENS = /^[!#$%&'*+\-.^_`|~\w]+(?:[ \t]*,[ \t]*[!#$%&'*+\-.^_`|~\w]+)*$/;
const VERSION = "13";

/** One that asks nothing for so long gives its place up when another wants it. */
const MIN_IDLE_MS = 60_000;

export interface OpenWebSockets {
  /** Open now, or being opened. */
  readonly size: number;
  /**
   * Remembers a connection until it is closed, so that a shutdown can close it. The returned function tells whether it
   * has questions under way: one without may have to make room for another.
   */
  add(request: IncomingMessage, connection: WebSocketConnection): (busy: boolean) => void;
}

export interface WebSocketsOptions {
  readonly clock: Clock;
  readonly limits: LimitWatch;
  /** A frame above this closes its connection with 1009. */
  readonly maxFrameBytes: number;
  readonly total: number;
  readonly perClient: number;
}

/** Of one upgrade: its request's, until the connection is closed. */
interface Place {
  connection: WebSocketConnection | null;
}

/** Call it before routes are registered. */
export function installWebSockets(app: FastifyInstance, options: WebSocketsOptions): OpenWebSockets {
  const { clock, limits, maxFrameBytes, total, perClient } = options;
  const connections = new Set<WebSocketConnection>();
  const requestIds = new WeakMap<IncomingMessage, string>();
  const placeOf = new WeakMap<IncomingMessage, Place>();
  const places = new Places<Place>({
    clock,
    total,
    perClient,
    minIdleMs: MIN_IDLE_MS,
    onGiveUp({ connection }) {
      limits.reached("idle_websocket");
      connection?.close(CLOSE_CODES.tryAgainLater, "idle for long, and others need the room");
    },
  });
  let closing = false;

  app.register(fastifyWebsocket, {
    options: {
      maxPayload: maxFrameBytes,
      perMessageDeflate: false,
      clientTracking: false,
      // One frame per event loop turn: a client that sends thousands at once does not block the others.
      allowSynchronousEvents: false,
      handleProtocols: chooseSubprotocol,
    },
    // Protocol errors are handled by WebSocketConnection, which closes with their code.
    errorHandler(error, _socket, request) {
      request.log.info({ err: error }, "WebSocket failed");
    },
    async preClose() {
      closing = true;
      // Upgrades are now ordinary requests, which Fastify rejects while it closes.
      app.server.removeAllListeners("upgrade");
      app.websocketServer.close();
      for (const connection of connections) closeOne(connection);
      await Promise.all([...connections].map(({ closed }) => closed));
    },
  });
  app.after(() => {
    app.websocketServer.on("headers", (headers, request) => {
      const id = requestIds.get(request);
      if (id !== undefined) headers.push(`${REQUEST_ID_HEADER}: ${id}`);
    });
  });
  app.addHook("preHandler", async (request, reply) => {
    if (!request.ws) return;
    reply.header("sec-websocket-version", VERSION);
    assertHandshake(request);
    if (app.lifecycle.draining) app.lifecycle.requireStudent(); // throws
    takePlace(request);
    requestIds.set(request.raw, request.id);
    reply.code(101); // for the log: ws writes the response, not Fastify
  });
  // Node detaches a connection that asked for an upgrade, so after a rejection it has to be closed here.
  app.addHook("onResponse", async ({ raw }) => {
    if ("upgrade" in raw && raw.upgrade === true) raw.socket.destroySoon();
  });

  function takePlace({ raw, ip }: FastifyRequest): void {
    const place: Place = { connection: null };
    const shortage = places.take(place, networkOf(ip));
    if (shortage !== null) {
      limits.reached(shortage === "client" ? "client_websockets" : "websockets");
      throw shortage === "client"
        ? new MagdiError(
            "MAGDI_TOO_MANY_REQUESTS",
            `${perClient} WebSockets of yours are open, which is the limit of one client; close one`,
          )
        : new MagdiError("MAGDI_OVERLOADED", `${total} WebSockets are open and in use; retry in a moment`);
    }
    placeOf.set(raw, place);
    raw.socket.once("close", () => places.leave(place));
    if (raw.socket.destroyed) places.leave(place);
  }

  return {
    get size() {
      return places.size;
    },
    add(request, connection) {
      connections.add(connection);
      connection.closed.then(() => connections.delete(connection));
      if (closing) closeOne(connection);
      const place = placeOf.get(request);
      if (place === undefined) return () => {};
      place.connection = connection;
      return (busy) => {
        if (busy) places.busy(place);
        else places.idle(place);
      };
    },
  };
}

function closeOne(connection: WebSocketConnection): void {
  connection.close(CLOSE_CODES.goingAway, "the server is shutting down");
}

/** Rejects bad handshakes in the API's error shape, before ws rejects them in its own. */
function assertHandshake({ headers }: FastifyRequest): void {
  const expected = (param: string, what: string) =>
    new MagdiError("MAGDI_BAD_REQUEST", `the header ${param}: expected ${what}`, { param });
  if (headers["sec-websocket-version"] !== VERSION) throw expected("sec-websocket-version", VERSION);
  if (!HANDSHAKE_KEY.test(headers["sec-websocket-key"] ?? "")) {
    throw expected("sec-websocket-key", "16 bytes in base64");
  }
  const offered = headers["sec-websocket-protocol"];
  if (offered === undefined) return;
  const names = offered.split(",").map((name) => name.trim());
  if (!TOKENS.test(offered) || new Set(names).size < names.length) {
    throw expected("sec-websocket-protocol", "a list of distinct names");
  }
}

/**
 * A class for http.createServer's `IncomingMessage` that limits upgrades to WebSockets on `paths`. Once a server has an
 * "upgrade" listener, Node sends it every request with an upgrade header, body unread; Java's HTTP client offers h2c on
 * each POST.
 */
export function upgradableRequest(paths: readonly string[]): typeof IncomingMessage {
  return class UpgradableRequest extends IncomingMessage {
    /** The parent's constructor sets it, before this class's fields are initialised. */
    declare private offeredUpgrade: boolean | null;

    /** Node's parser sets it if the request offers an upgrade, and reads it to decide whether to emit "upgrade". */
    get upgrade(): boolean | null {
      const wanted = this.offeredUpgrade;
      return wanted === true && this.method !== "CONNECT" ? this.#wantsWebSocket() : wanted;
    }

    set upgrade(offered: boolean | null) {
      this.offeredUpgrade = offered;
    }

    #wantsWebSocket(): boolean {
      const path = this.url?.split("?", 1)[0]?.replace(/\/$/, "") ?? "";
      return (
        this.method === "GET" && paths.includes(path) && this.headers.upgrade?.toLowerCase() === "websocket"
      );
    }
  };
}
