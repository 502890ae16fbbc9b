// Lets in who presents an API key, where keys are set, before anything else of a request is looked at. It knows which
// routes are open by what they say of themselves, not by their paths.
import type { FastifyInstance, FastifyRequest } from "fastify";
import { MagdiError } from "../../base/errors.ts";
import type { ApiKeys } from "./api-keys.ts";
import { fromForeignPage } from "./browser-access.ts";
import { ANYBODY, type Caller } from "./caller.ts";
import { loginKey, presentedKey } from "./presented-key.ts";

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
