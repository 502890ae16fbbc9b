// How large a request may be before its body, how long it may take to arrive, and how many connections there may be.
// It knows no routes.
import type { ServerOptions } from "node:http";
import type { FastifyInstance, FastifyServerOptions } from "fastify";
import type { ServerConfig } from "../config.ts";

const MAX_HEADER_BYTES = 16_384;
const MAX_HEADERS = 200;
const MAX_URL_CHARS = 2048;
/** Longer than a proxy keeps an idle connection, so that it is the proxy who closes it: no request is lost between. */
const KEEP_ALIVE_MS = 72_000;
const HEADERS_TIMEOUT_MS = 10_000;
const LONGEST_CHECK_MS = 5000;

class OutOfBounds extends Error {
  readonly statusCode: number;

  constructor(statusCode: number, message: string) {
    super(message);
    this.statusCode = statusCode;
  }
}

/** Fastify's options: a request that does not arrive in time, or a silent connection, is answered 408 and closed. */
export function boundedServer(config: ServerConfig): FastifyServerOptions & { http: ServerOptions } {
  const { receiveTimeoutMs } = config;
  return {
    bodyLimit: config.bodyLimitBytes,
    requestTimeout: receiveTimeoutMs,
    keepAliveTimeout: KEEP_ALIVE_MS,
    http: {
      headersTimeout: Math.min(HEADERS_TIMEOUT_MS, receiveTimeoutMs),
      connectionsCheckingInterval: Math.min(LONGEST_CHECK_MS, Math.ceil(receiveTimeoutMs / 4)),
      maxHeaderSize: MAX_HEADER_BYTES,
      requireHostHeader: false, // the hook below says it in the error shape
    },
  };
}

/** Refuses what is out of proportion before a key, a body or a route is looked at. */
export function installBounds(app: FastifyInstance, config: ServerConfig): void {
  app.server.maxConnections = config.maxConnections;
  // Node would drop the rest in silence; the hook below refuses them.
  app.server.maxHeadersCount = 0;
  app.addHook("onRequest", async ({ raw }) => {
    if (raw.httpVersionMajor < 1) throw new OutOfBounds(400, "expected HTTP/1.1, found HTTP/0.9");
    const names = raw.rawHeaders.filter((_, index) => index % 2 === 0);
    if (names.length > MAX_HEADERS) {
      throw new OutOfBounds(431, `expected at most ${MAX_HEADERS} headers, found ${names.length}`);
    }
    const length = raw.url?.length ?? 0;
    if (length > MAX_URL_CHARS) {
      throw new OutOfBounds(414, `expected a URL of at most ${MAX_URL_CHARS} characters, found ${length}`);
    }
    const hosts = names.filter((name) => name.toLowerCase() === "host").length;
    if (hosts > 1 || (hosts === 0 && raw.httpVersion !== "1.0")) {
      throw new OutOfBounds(400, `expected one host header, found ${hosts}`);
    }
  });

  // A client that asks first sends its body only when it is going to be read.
  app.server.on("checkContinue", app.routing);
  app.server.on("checkExpectation", app.routing);
  app.addHook("preParsing", async (request, reply) => {
    if (request.headers.expect?.toLowerCase() !== "100-continue") return;
    const tooLarge = Number(request.headers["content-length"]) > config.bodyLimitBytes;
    if (!tooLarge) reply.raw.writeContinue();
  });
}
