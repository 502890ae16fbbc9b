// What every route plugin is given.

import type { ServingContext } from "../answering/generation-run.ts";
import type { ServerConfig } from "../config.ts";

export interface RouteOptions {
  readonly context: ServingContext;
  readonly config: ServerConfig;
}

declare module "fastify" {
  interface FastifyContextConfig {
    /** True for routes whose failures count as failed inference requests. */
    inference?: boolean;
  }
}
