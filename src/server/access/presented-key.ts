// Where a request carries its API key: Authorization, x-api-key, or a WebSocket's subprotocol, since browsers can
// set no header there. It knows no keys.
import type { IncomingHttpHeaders } from "node:http";

/** The subprotocol that the server speaks; a client offers it beside the one that carries its key. */
const SUBPROTOCOL = "magdi";
const KEY_SUBPROTOCOL = "magdi.key.";

/** The key that a request presents, or null. */
export function presentedKey(headers: IncomingHttpHeaders): string | null {
  const bearer = /^Bearer +(\S+) *$/i.exec(headers.authorization ?? "")?.[1];
  if (bearer !== undefined) return bearer;
  const own = headers["x-api-key"];
  if (typeof own === "string" && own !== "") return own.trim();
  return headers.upgrade === undefined ? null : subprotocolKey(headers["sec-websocket-protocol"] ?? "");
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
