// What every route plugin is given.
import type { ServerConfig } from "../config.ts";
import type { ServingContext } from "../generation-run.ts";

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
