// Requests that may leave HTTP for a WebSocket, told from those that may not: an upgrade that is offered elsewhere is
// ignored (RFC 9110, section 7.8), and the request is served as any other. It knows which paths, not what they speak.
import { IncomingMessage } from "node:http";

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
