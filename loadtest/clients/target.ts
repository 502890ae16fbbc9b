// The address and API key of the server under test, which must be on this machine.
import { BlockList, isIP } from "node:net";
import { MagdiError } from "../../src/base/errors.ts";

export interface Target {
  /** Without a slash at the end, as in http://127.0.0.1:8080. */
  readonly url: string;
  readonly apiKey: string | null;
}

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet("127.0.0.0", 8, "ipv4");
LOOPBACK.addAddress("::1", "ipv6");

/** @throws MagdiError MAGDI_BAD_CONFIG when `text` is no http URL of this machine */
export function loopbackUrl(text: string): string {
  if (!URL.canParse(text)) {
    throw new MagdiError(
      "MAGDI_BAD_CONFIG",
      `--url: expected a URL such as http://127.0.0.1:8080, found ${text}`,
    );
  }
  const { protocol, hostname, origin, pathname } = new URL(text);
  if (protocol !== "http:" || pathname !== "/") {
    throw new MagdiError(
      "MAGDI_BAD_CONFIG",
      `--url: expected http://HOST:PORT and nothing else, found ${text}`,
    );
  }
  const host = hostname.replace(/^\[(.*)\]$/, "$1");
  const version = isIP(host);
  const loopback =
    version === 0 ? host === "localhost" : LOOPBACK.check(host, version === 4 ? "ipv4" : "ipv6");
  if (!loopback) {
    throw new MagdiError(
      "MAGDI_BAD_CONFIG",
      `--url: expected this machine (127.0.0.1, ::1, localhost), found ${host}: a load test floods its target, and over a network it would measure the network; run it on the machine that serves`,
    );
  }
  return origin;
}

/** The headers of a JSON request with the target's key. */
export function headersOf(target: Target): Record<string, string> {
  return {
    "content-type": "application/json",
    ...(target.apiKey === null ? {} : { authorization: `Bearer ${target.apiKey}` }),
  };
}
