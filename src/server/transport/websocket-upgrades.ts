// WebSocket upgrades: checks the handshake, after hooks such as authentication, and closes open connections on shutdown.

import { IncomingMessage } from "node:http";
import fastifyWebsocket from "@fastify/websocket";
import type { FastifyInstance, FastifyRequest } from "fastify";
import { MagdiError } from "../../base/errors.ts";
import { chooseSubprotocol } from "../access/authentication.ts";
import { REQUEST_ID_HEADER } from "./request-headers.ts";
import { CLOSE_CODES, type WebSocketConnection } from "./websocket-connection.ts";

const HANDSHAKE_KEY = /^[+/0-9A-Za-z]{22}==$/;
const TOKENS = /^[!#$%&'*+\-.^_`|~\w]+(?:[ \t]*,[ \t]*[!#$%&'*+\-.^_`|~\w]+)*$/;
const VERSION = "13";

export interface OpenWebSockets {
  /** Remembers a connection until it is closed, so that a shutdown can close it. */
  add(connection: WebSocketConnection): void;
}

/** Call it before routes are registered. A frame above `maxFrameBytes` closes its connection with 1009. */
export function installWebSockets(app: FastifyInstance, maxFrameBytes: number): OpenWebSockets {
  const connections = new Set<WebSocketConnection>();
  const requestIds = new WeakMap<IncomingMessage, string>();
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
    requestIds.set(request.raw, request.id);
    reply.code(101); // for the log: ws writes the response, not Fastify
  });
  // Node detaches a connection that asked for an upgrade, so after a rejection it has to be closed here.
  app.addHook("onResponse", async ({ raw }) => {
    if ("upgrade" in raw && raw.upgrade === true) raw.socket.destroySoon();
  });

  return {
    add(connection) {
      connections.add(connection);
      connection.closed.then(() => connections.delete(connection));
      if (closing) closeOne(connection);
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
