// The part of autocannon that we use; the package brings no types.
declare module "autocannon" {
  import type { EventEmitter } from "node:events";

  interface Request {
    readonly method?: "GET" | "POST";
    readonly path?: string;
    readonly headers?: Readonly<Record<string, string>>;
    readonly body?: string;
    /** Makes the next request of a connection; called before each one. */
    readonly setupRequest?: (request: Request, context: object) => Request;
    readonly onResponse?: (
      status: number,
      body: string,
      context: object,
      headers: Readonly<Record<string, string>>,
    ) => void;
  }

  interface Options {
    readonly url: string;
    readonly connections: number;
    /** Requests in all; each connection gets its share. */
    readonly amount: number;
    /** Seconds. */
    readonly timeout: number;
    /** Milliseconds between two looks at whether all is done. */
    readonly sampleInt: number;
    readonly requests: readonly Request[];
  }

  interface Result {
    readonly errors: number;
    readonly timeouts: number;
  }

  interface Instance extends EventEmitter, PromiseLike<Result> {
    stop(): void;
  }

  export default function autocannon(options: Options): Instance;
}
