// Who sends a request: the API key's name, what it may do and its share of the model. No HTTP here.

export const RIGHTS = ["ask", "metrics", "debate"] as const;

/** "ask" is all that the server itself computes, and /metrics without other keys' lines; "metrics" is /metrics with all
 * lines; "debate" has the agents debate, which costs money elsewhere. */
export type Right = (typeof RIGHTS)[number];

export interface Caller {
  /** The API key's name, never the key: for logs, traces, metrics and the prefix cache's scope. */
  readonly name: string;
  readonly rights: readonly Right[];
  /** Share of the model beside other callers: one of weight 2 gets twice as much as one of weight 1. */
  readonly weight: number;
  /** What shares the model and has a rate limit: the key's name, or the client's network if no keys are set. */
  readonly account: string;
}

/** What a key has unless its entry says otherwise. */
export const PLAIN_KEY: Pick<Caller, "rights" | "weight"> = { rights: ["ask"], weight: 1 };

/** The name of every request's caller on a server without API keys. */
export const ANYBODY = "anybody";

/** A caller of a server without API keys, whose clients all may do everything. */
export function anybody(network: string): Caller {
  return { name: ANYBODY, rights: RIGHTS, weight: 1, account: network };
}

/** Whether a caller may see what the server says of the key or caller `name`. */
export function maySee({ name: own, rights }: Caller, name: string): boolean {
  return rights.includes("metrics") || name === own;
}
