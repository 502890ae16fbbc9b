// What every route plugin is given.
import type { ZodType } from "zod";
import type { ErrorCode } from "../base/errors.ts";
import type { ServerConfig } from "./config.ts";
import type { ServingContext } from "./generation-run.ts";

export interface RouteOptions {
  readonly context: ServingContext;
  readonly config: ServerConfig;
}

declare module "fastify" {
  interface FastifyContextConfig {
    /** True for routes whose failures count as failed inference requests. */
    inference?: boolean;
    /** For the API's documentation: errors besides those that routes of this kind have. */
    errors?: readonly ErrorCode[];
    /** For the API's documentation: the data of an event, where a request may ask for a stream. */
    eventStream?: ZodType;
    /** For the API's documentation: the frames of a WebSocket. */
    webSocket?: { readonly receives: ZodType; readonly sends: ZodType };
  }
}
