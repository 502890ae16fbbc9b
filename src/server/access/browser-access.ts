// Browser security: which origins may call the server (CORS), and what its own pages may load (helmet).
import type { FastifyInstance, FastifyRequest } from "fastify";
import { MagdiError } from "../../base/errors.ts";
import { REQUEST_ID_HEADER } from "../transport/request-headers.ts";

const EXPOSED_HEADERS = [
  REQUEST_ID_HEADER,
  "retry-after",
  "x-ratelimit-limit-requests",
  "x-ratelimit-remaining-requests",
  "x-ratelimit-reset-requests",
];
const PREFLIGHT_SECONDS = 600;

const SELF = ["'self'"];
const NONE = ["'none'"];

/** For the server's own pages: scripts and styles from this origin only, icons also as data URLs. */
const CONTENT_SECURITY_POLICY = {
  useDefaults: false,
  directives: {
    defaultSrc: NONE,
    scriptSrc: SELF,
    styleSrc: SELF,
    imgSrc: [...SELF, "data:"],
    fontSrc: SELF,
    connectSrc: SELF,
    baseUri: NONE,
    formAction: SELF,
    frameAncestors: NONE,
  },
};

/** Install it before authentication: browsers send no key with a preflight. */
export function installBrowserAccess(app: FastifyInstance, corsOrigins: readonly string[]): void {
  app.register(import("@fastify/helmet"), {
    contentSecurityPolicy: CONTENT_SECURITY_POLICY,
    // The server speaks plain HTTP; HSTS is for the proxy that terminates TLS.
    strictTransportSecurity: false,
    xFrameOptions: { action: "deny" },
    xXssProtection: false,
    crossOriginOpenerPolicy: false,
    originAgentCluster: false,
    xDnsPrefetchControl: false,
    xDownloadOptions: false,
    xPermittedCrossDomainPolicies: false,
  });
  installOriginCheck(app, corsOrigins);
  if (corsOrigins.length === 0) return;
  const allowed = {
    origin: [...corsOrigins],
    methods: ["GET", "HEAD", "POST"],
    exposedHeaders: EXPOSED_HEADERS,
    maxAge: PREFLIGHT_SECONDS,
  };
  app.register(import("@fastify/cors"), {
    // An OPTIONS that is no preflight is an ordinary request: it needs a key and gets 404.
    delegator: async ({ method, headers }: FastifyRequest) =>
      method === "OPTIONS" && (!headers.origin || !headers["access-control-request-method"])
        ? { origin: false }
        : allowed,
  });
}

/** Whether a page of another origin sent the request. Clients other than browsers send no origin header. */
export function isCrossOrigin({ headers: { origin }, host }: FastifyRequest): boolean {
  if (origin === undefined) return false;
  return !URL.canParse(origin) || new URL(origin).host !== host.toLowerCase();
}

/** CORS does not cover WebSockets: without this check any page could open one to a server on the user's machine. */
function installOriginCheck(app: FastifyInstance, corsOrigins: readonly string[]): void {
  app.addHook("onRequest", async (request) => {
    const { origin = "", upgrade } = request.headers;
    if (upgrade === undefined || !isCrossOrigin(request)) return;
    if (corsOrigins.includes("*") || corsOrigins.includes(origin)) return;
    throw new MagdiError(
      "MAGDI_FORBIDDEN_ORIGIN",
      "pages of this origin may not open a WebSocket here; add the origin to corsOrigins to allow it",
    );
  });
}
