// Who makes a request: the name of an API key, or nobody in particular where no keys are set. It knows no secrets.

export interface Caller {
  /** The API key's name: for logs, traces, limits, and the scope of reused prompts. Never the key. */
  readonly name: string;
}

/** Everybody, on a server without API keys. */
export const ANYBODY: Caller = { name: "anybody" };

declare module "fastify" {
  interface FastifyRequest {
    caller: Caller;
  }
}
