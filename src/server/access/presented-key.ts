// Where a request carries its API key: Authorization, x-api-key, a WebSocket's subprotocol, since browsers can set no
// header there, or the password that a browser asked its reader for. It knows no keys.
import type { IncomingHttpHeaders } from "node:http";

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
