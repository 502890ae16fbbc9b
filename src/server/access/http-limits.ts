// Limits on HTTP itself: header and URL size, the time a request may take to arrive.
import type { IncomingMessage, ServerOptions, ServerResponse } from "node:http";
import type { FastifyInstance, FastifyServerOptions } from "fastify";
import type { ServerConfig } from "../config.ts";

const MAX_HEADER_BYTES = 16_384;
const MAX_HEADERS = 200;
const MAX_URL_CHARS = 2048;
/** Longer than common proxies keep idle connections: if we closed first, a request sent meanwhile would be lost. */
const KEEP_ALIVE_MS = 72_000;
const HEADERS_TIMEOUT_MS = 10_000;
const MAX_CHECK_INTERVAL_MS = 5000;

class RequestLimitError extends Error {
  readonly statusCode: number;

  constructor(statusCode: number, message: string) {
    super(message);
    this.statusCode = statusCode;
  }
}

/** Fastify's options: a request that does not arrive in time is answered 408, and its connection closed. */
export function limitOptions(config: ServerConfig): FastifyServerOptions & { http: ServerOptions } {
  const { receiveTimeoutMs } = config;
  return {
    bodyLimit: config.bodyLimitBytes,
    requestTimeout: receiveTimeoutMs,
    keepAliveTimeout: KEEP_ALIVE_MS,
    http: {
      headersTimeout: Math.min(HEADERS_TIMEOUT_MS, receiveTimeoutMs),
      connectionsCheckingInterval: Math.min(MAX_CHECK_INTERVAL_MS, Math.ceil(receiveTimeoutMs / 4)),
      maxHeaderSize: MAX_HEADER_BYTES,
      requireHostHeader: false, // the hook below checks it, to answer in the API's error shape
    },
  };
}

/** Rejects oversized requests before authentication, routing and body parsing. */
export function installRequestLimits(app: FastifyInstance, config: ServerConfig): void {
  // Node would silently drop headers beyond its limit; the hook below rejects the request instead.
  app.server.maxHeadersCount = 0;
  app.addHook("onRequest", async ({ raw }) => {
    if (raw.httpVersionMajor < 1) throw new RequestLimitError(400, "expected HTTP/1.1, found HTTP/0.9");
    const names = raw.rawHeaders.filter((_, index) => index % 2 === 0);
    if (names.length > MAX_HEADERS) {
      throw new RequestLimitError(431, `expected at most ${MAX_HEADERS} headers, found ${names.length}`);
    }
    const length = raw.url?.length ?? 0;
    if (length > MAX_URL_CHARS) {
      throw new RequestLimitError(
        414,
        `expected a URL of at most ${MAX_URL_CHARS} characters, found ${length}`,
      );
    }
    const hosts = names.filter((name) => name.toLowerCase() === "host").length;
    if (hosts > 1 || (hosts === 0 && raw.httpVersion !== "1.0")) {
      throw new RequestLimitError(400, `expected one host header, found ${hosts}`);
    }
  });

  // With "expect: 100-continue" the client sends the body only after we say that we will read it.
  const asRequest = (request: IncomingMessage, response: ServerResponse): void => {
    app.server.emit("request", request, response);
  };
  app.server.on("checkContinue", asRequest);
  app.server.on("checkExpectation", asRequest);
  app.addHook("preParsing", async (request, reply) => {
    if (request.headers.expect?.toLowerCase() !== "100-continue") return;
    const tooLarge = Number(request.headers["content-length"]) > config.bodyLimitBytes;
    if (!tooLarge) reply.raw.writeContinue();
  });
}
