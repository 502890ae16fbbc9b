// Lets in who presents an API key, where keys are set, before anything else of a request is looked at. It knows which
// routes are open by what they say of themselves, not by their paths.

import type { IncomingHttpHeaders } from "node:http";
import type { FastifyInstance, FastifyRequest } from "fastify";
import { MagdiError } from "../../base/errors.ts";
import type { ApiKeys } from "./api-keys.ts";
import { fromForeignPage } from "./browser-access.ts";
import { ANYBODY, type Caller } from "./caller.ts";

/** Whoever has not shown a key yet, or a wrong one. */
const STRANGER: Caller = { name: "unauthenticated" };

declare module "fastify" {
  interface FastifyInstance {
    /** Null where everybody may ask. */
    readonly apiKeys: ApiKeys | null;
  }
  interface FastifyContextConfig {
    /** True for routes that answer without an API key. */
    open?: boolean;
  }
}

/** Who sends a request, as far as is known before its key is looked at. */
export function initialCaller(apiKeys: ApiKeys | null): Caller {
  return apiKeys === null ? ANYBODY : STRANGER;
}

/** Answers 401 on every route, known or not, that is not open. To be called after what answers CORS preflights. */
export function installAuthentication(app: FastifyInstance): void {
  if (app.apiKeys === null) return;
  app.addHook("onRequest", async (request) => {
    const problem = identify(request);
    if (problem !== null && !request.routeOptions.config.open) throw problem;
  });
}

/** Sets the caller of a request that presents a known key; else returns what is wrong. */
export function identify(request: FastifyRequest): MagdiError | null {
  const { apiKeys } = request.server;
  if (apiKeys === null) return null;
  const key = presentedKey(request.headers) ?? (sendsLogin(request) ? loginKey(request.headers) : null);
  const caller = key === null ? null : apiKeys.callerOf(key);
  if (caller === null) {
    const message =
      key === null
        ? "an API key is needed: send the header authorization: Bearer KEY; in a browser it is the password"
        : "the API key is not one that this server knows";
    return new MagdiError("MAGDI_UNAUTHENTICATED", message);
  }
  request.caller = caller;
  return null;
}

/**
 * Whether the browser's login speaks for the request. A WebSocket that another origin's page opens carries it too,
 * without the reader's knowledge; what else such pages ask is the browser's to withhold, as CORS tells it.
 */
function sendsLogin(request: FastifyRequest): boolean {
  return request.headers.upgrade === undefined || !fromForeignPage(request);
}

/** The subprotocol that the server speaks; a client offers it beside the one that carries its key. */
const SUBPROTOCOL = "magdi";
const KEY_SUBPROTOCOL = "magdi.key.";

/** The key that whoever wrote a request put into it, or null. */
export function presentedKey(headers: IncomingHttpHeaders): string | null {
  const bearer = /^Bearer +(\S+) *$/i.exec(headers.authorization ?? "")?.[1];
  if (bearer !== undefined) return bearer;
  const own = headers["x-api-key"];
  if (typeof own === "string" && own !== "") return own.trim();
  return headers.upgrade === undefined ? null : subprotocolKey(headers["sec-websocket-protocol"] ?? "");
}

/**
 * The key that a browser was given as the password of HTTP's Basic authentication, with any user name, or null. It
 * sends the login by itself with all that it asks of the server, so that a key which a page presents goes before it.
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
 * The subprotocol to answer a WebSocket upgrade with: never the one that carries a key, which the answer would
 * repeat for every proxy's log.
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
