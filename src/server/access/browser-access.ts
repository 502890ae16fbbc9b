// What pages in browsers may do with the server: whose pages may call it (CORS), and what its own pages may load
// (helmet). It knows no keys.
import type { FastifyInstance, FastifyRequest } from "fastify";
import { MagdiError } from "../../base/errors.ts";
import { REQUEST_ID_HEADER } from "../transport/request-id.ts";

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

/** For the pages that the server has: scripts and styles are files of its own, icons may be data. */
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

/** To be called before authentication, which a preflight cannot pass: browsers send no key with it. */
export function installBrowserAccess(app: FastifyInstance, corsOrigins: readonly string[]): void {
  app.register(import("@fastify/helmet"), {
    contentSecurityPolicy: CONTENT_SECURITY_POLICY,
    // Whether this is https, and for how long, is for the proxy that makes it so to say.
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
    // Any other OPTIONS is a request like others, which needs a key and finds no route.
    delegator: async ({ method, headers }: FastifyRequest) =>
      method === "OPTIONS" && (!headers.origin || !headers["access-control-request-method"])
        ? { origin: false }
        : allowed,
  });
}

/** Whether a page of another origin than this server's makes the request. Other clients say no origin. */
export function fromForeignPage({ headers: { origin }, host }: FastifyRequest): boolean {
  if (origin === undefined) return false;
  return !URL.canParse(origin) || new URL(origin).host !== host.toLowerCase();
}

/** CORS does not hold for WebSockets: without this any page could open one to a server on its reader's machine. */
function installOriginCheck(app: FastifyInstance, corsOrigins: readonly string[]): void {
  app.addHook("onRequest", async (request) => {
    const { origin = "", upgrade } = request.headers;
    if (upgrade === undefined || !fromForeignPage(request)) return;
    if (corsOrigins.includes("*") || corsOrigins.includes(origin)) return;
    throw new MagdiError(
      "MAGDI_FORBIDDEN_ORIGIN",
      "pages of this origin may open no WebSocket here; corsOrigins lists those that may",
    );
  });
}
