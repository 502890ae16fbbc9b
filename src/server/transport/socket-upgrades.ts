// The step from HTTP to WebSocket: which handshakes are taken, what the answer carries, and the closing of what is
// open when the server closes. It knows no frames; hooks such as authentication have run before it.

import { IncomingMessage } from "node:http";
import fastifyWebsocket from "@fastify/websocket";
import type { FastifyInstance, FastifyRequest } from "fastify";
import { MagdiError } from "../../base/errors.ts";
import { chooseSubprotocol } from "../access/authentication.ts";
import { REQUEST_ID_HEADER } from "./request-id.ts";
import { CLOSE_CODES, type SocketConnection } from "./socket-connection.ts";

const HANDSHAKE_KEY = /^[+/0-9A-Za-z]{22}==$/;
const TOKENS = /^[!#$%&'*+\-.^_`|~\w]+(?:[ \t]*,[ \t]*[!#$%&'*+\-.^_`|~\w]+)*$/;
const VERSION = "13";

export interface OpenSockets {
  /** Keeps a connection until it is closed, so that the server's closing closes it. */
  add(connection: SocketConnection): void;
}

/** To be called before the routes are registered. Frames above `maxFrameBytes` close their connection with 1009. */
export function installSockets(app: FastifyInstance, maxFrameBytes: number): OpenSockets {
  const connections = new Set<SocketConnection>();
  const requestIds = new WeakMap<IncomingMessage, string>();
  let closing = false;

  app.register(fastifyWebsocket, {
    options: {
      maxPayload: maxFrameBytes,
      perMessageDeflate: false,
      clientTracking: false,
      // One frame of each connection in a turn of the event loop: thousands at once hold up nobody else.
      allowSynchronousEvents: false,
      handleProtocols: chooseSubprotocol,
    },
    // What breaks the protocol is closed by the connection itself, with its code.
    errorHandler(error, _socket, request) {
      request.log.info({ err: error }, "a socket failed");
    },
    async preClose() {
      closing = true;
      // From now on an upgrade is a request like any other, which Fastify refuses while it closes.
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
    if (app.admission.draining) app.admission.require();
    requestIds.set(request.raw, request.id);
    reply.code(101); // for the log; the answer itself is not Fastify's
  });
  // Node has let go of a connection that asked to leave HTTP: after a refusal nobody else would close it.
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

function closeOne(connection: SocketConnection): void {
  connection.close(CLOSE_CODES.goingAway, "the server is shutting down");
}

/** Refuses, in the server's own words, what the WebSocket library would refuse in others. */
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
    throw expected("sec-websocket-protocol", "a list of names, none of them twice");
  }
}

/**
 * A class for http.createServer's `IncomingMessage`. Once somebody listens to a server's upgrades, Node hands over
 * every request that offers one, to whatever and wherever, its body unread; Java's client offers h2c on each POST.
 */
export function upgradableRequest(paths: readonly string[]): typeof IncomingMessage {
  return class UpgradableRequest extends IncomingMessage {
    /** Written by the parent's constructor already, before fields of this class could be initialised. */
    declare private offeredUpgrade: boolean | null;

    /** Set by Node's parser when a request offers an upgrade, and read before it is handed over. */
    get upgrade(): boolean | null {
      const wanted = this.offeredUpgrade;
      return wanted === true && this.method !== "CONNECT" ? this.#wantsWebSocket() : wanted;
    }

    set upgrade(offered: boolean | null) {
      this.offeredUpgrade = offered;
    }

    #wantsWebSocket(): boolean {
      const path = this.url?.split("?", 1)[0] ?? "";
      return (
        this.method === "GET" && paths.includes(path) && this.headers.upgrade?.toLowerCase() === "websocket"
      );
    }
  };
}
