// Which names the server answers under: without keys on a loopback address, a page of another site must not reach it by
// having its own name resolve to 127.0.0.1 (DNS rebinding).
import { isIP, isIPv4 } from "node:net";
import type { FastifyInstance } from "fastify";
import { MagdiError } from "../../base/errors.ts";
import type { ServerConfig } from "../config.ts";

/**
 * Answers 403 to requests for other names, WebSocket upgrades too, if no API keys are set. On a loopback address the names
 * are localhost, loopback addresses, `host` and `allowedHosts`. On other addresses, where names are whatever a proxy or
 * a network calls the server, nothing is checked unless `allowedHosts` is set; IP addresses are answered there, which no
 * page's name can be. With keys nothing is checked: such a page has none.
 */
export function installHostCheck(
  app: FastifyInstance,
  { allowedHosts, host }: Pick<ServerConfig, "allowedHosts" | "host">,
): void {
  if (app.apiKeys !== null || allowedHosts.includes("*")) return;
  const allowed = new Set(["localhost", ...[host, ...allowedHosts].map((name) => name.toLowerCase())]);
  app.addHook("onRequest", async ({ raw: { headers } }) => {
    // The header itself: with trustProxy, request.host may be an X-Forwarded-Host, which a page can set.
    const given = headers.host?.toLowerCase();
    const listening = app.server.address();
    // Browsers always send one; without an address it listens on a Unix socket, which they cannot reach.
    if (given === undefined || listening === null || typeof listening === "string") return;
    const loopback = isLoopback(listening.address);
    if (!loopback && allowedHosts.length === 0) return;
    const name = nameOf(given);
    if (allowed.has(name) || allowed.has(given) || (loopback ? isLoopback(name) : isIP(name) > 0)) return;
    throw new MagdiError(
      "MAGDI_FORBIDDEN_HOST",
      `the server does not answer under the host name ${JSON.stringify(name.slice(0, 100))}; add the name to allowedHosts to allow it, or set API keys`,
    );
  });
}

/** The host header without its port, brackets and final dot. */
function nameOf(host: string): string {
  const name = host.replace(/:\d*$/, "");
  return name.startsWith("[") && name.endsWith("]") ? name.slice(1, -1) : name.replace(/\.$/, "");
}

function isLoopback(address: string): boolean {
  const ip = address.replace(/^::ffff:/, "");
  return ip === "::1" || (isIPv4(ip) && ip.startsWith("127."));
}
