// Authentication by API key: runs before anything else reads the request, on every route that is not marked open.

import type { IncomingHttpHeaders } from "node:http";
import type { FastifyInstance, FastifyRequest } from "fastify";
import { MagdiError } from "../../base/errors.ts";
import type { ApiKeys } from "./api-keys.ts";
import { isCrossOrigin } from "./browser-access.ts";
import { anybody, type Caller, type Right } from "./caller.ts";
import { networkOf } from "./client-network.ts";

/** The caller until a valid key was found. */
const UNAUTHENTICATED: Caller = { name: "unauthenticated", rights: [], weight: 1, account: "" };

declare module "fastify" {
  interface FastifyInstance {
    /** Null if no keys are set: then no key is needed. */
    readonly apiKeys: ApiKeys | null;
  }
  interface FastifyRequest {
    caller: Caller;
  }
  interface FastifyContextConfig {
    /** True for routes that need no API key. */
    open?: boolean;
    /** The right that an API key needs, or "any". Default: "ask". */
    right?: Right | "any";
  }
}

/** The caller of a request from address `ip` whose key has not been checked yet. */
export function initialCaller(apiKeys: ApiKeys | null, ip: string): Caller {
  return apiKeys === null ? anybody(networkOf(ip)) : UNAUTHENTICATED;
}

/**
 * Answers 401 on every path that is not open, also on unknown ones, and 403 where the key lacks the right. Install it after
 * CORS: preflights carry no key. What is answered to a key is for nobody else: no cache may keep it.
 */
export function installAuthentication(app: FastifyInstance): void {
  if (app.apiKeys === null) return;
  app.addHook("onSend", async (_request, reply) => {
    reply.header("cache-control", "no-store");
  });
  app.addHook("onRequest", async (request) => {
    const problem = authenticate(request);
    // Open are the probes under their exact paths, as orchestrators ask them.
    const exact = !/^[^?]*\/(?:\?|$)/.test(request.url);
    const { open, right = "ask" } = request.routeOptions.config;
    if (exact && open) return;
    if (problem !== null) throw problem;
    if (right === "any" || request.caller.rights.includes(right)) return;
    throw new MagdiError(
      "MAGDI_FORBIDDEN",
      `the API key has no right to this: its entry needs rights=${right}, it has ${request.caller.rights.join("+")}`,
    );
  });
}

/** Sets the request's caller if its key is valid; otherwise returns the error. */
export function authenticate(request: FastifyRequest): MagdiError | null {
  const { apiKeys } = request.server;
  if (apiKeys === null) return null;
  const key = presentedKey(request.headers) ?? (sendsLogin(request) ? loginKey(request.headers) : null);
  const caller = key === null ? null : apiKeys.callerOf(key);
  if (caller === null) {
    const message =
      key === null
        ? "an API key is required: send the header authorization: Bearer KEY; in a browser, enter it as the password"
        : "the API key is not valid for this server";
    return new MagdiError("MAGDI_UNAUTHENTICATED", message);
  }
  request.caller = caller;
  return null;
}

/**
 * Whether Basic credentials count. Browsers attach them even to WebSockets that a page of another origin opens, without
 * the user's knowledge. Other cross-origin requests are blocked by CORS.
 */
function sendsLogin(request: FastifyRequest): boolean {
  return request.headers.upgrade === undefined || !isCrossOrigin(request);
}

/** The WebSocket subprotocol; clients that cannot set headers offer KEY_SUBPROTOCOL + key beside it. */
const SUBPROTOCOL = "magdi";
const KEY_SUBPROTOCOL = "magdi.key.";

/** The key that the client sent on purpose (bearer token, x-api-key, WebSocket subprotocol), or null. */
export function presentedKey(headers: IncomingHttpHeaders): string | null {
  const bearer = /^Bearer +(\S+) *$/i.exec(headers.authorization ?? "")?.[1];
  if (bearer !== undefined) return bearer;
  const own = headers["x-api-key"];
  if (typeof own === "string" && own !== "") return own.trim();
  return headers.upgrade === undefined ? null : subprotocolKey(headers["sec-websocket-protocol"] ?? "");
}

/**
 * The key from HTTP Basic authentication: the password, with any user name; or null. A browser attaches it to every
 * request by itself, so a key that the page sends explicitly takes precedence.
 */
export function loginKey({ authorization = "" }: IncomingHttpHeaders): string | null {
  const encoded = /^Basic +([+/0-9A-Za-z]+={0,2}) *$/i.exec(authorization)?.[1];
  if (encoded === undefined) return null;
  const login = Buffer.from(encoded, "base64").toString("utf8");
  const colon = login.indexOf(":");
  const password = login.slice(colon + 1);
  return colon < 0 || password === "" ? null : password;
}

/**
 * The subprotocol to accept in a WebSocket upgrade: never the one with the key, which the response would repeat into the
 * logs of proxies.
 *
 * @example new WebSocketServer({ noServer: true, handleProtocols: chooseSubprotocol });
 */
export function chooseSubprotocol(offered: ReadonlySet<string>): string | false {
  return offered.has(SUBPROTOCOL) ? SUBPROTOCOL : false;
}

function subprotocolKey(header: string): string | null {
  for (const part of header.split(",")) {
    const offered = part.trim();
    if (offered.startsWith(KEY_SUBPROTOCOL)) {
      return Buffer.from(offered.slice(KEY_SUBPROTOCOL.length), "base64url").toString("utf8");
    }
  }
  return null;
}
