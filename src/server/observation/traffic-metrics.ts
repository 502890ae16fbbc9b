// Traffic metrics: HTTP responses by route and status; requests and tokens by API key.
import type { MetricFactory } from "./metric-factory.ts";

const TOKEN_KINDS = ["prompt", "generation"] as const;
/** The label of paths without a route. */
const NO_ROUTE = "other";
const SWITCHING_PROTOCOLS = 101;
/** nginx's status for a client that disconnected before its answer. */
const CLIENT_CLOSED_REQUEST = 499;

export class TrafficMetrics {
  readonly #responses;
  readonly #keyRequests;
  readonly #keyTokens;

  constructor(factory: MetricFactory) {
    this.#responses = factory.counter(
      "http_responses_total",
      "HTTP responses by route and status; 499 means that the client disconnected before the end.",
      ["endpoint", "status"],
    );
    this.#keyRequests = factory.counter(
      "key_requests_total",
      "Accepted inference requests, by the API key's name; anybody if no keys are set.",
      ["key"],
    );
    this.#keyTokens = factory.counter(
      "key_tokens_total",
      "Prompt and generated tokens, by the API key's name; anybody if no keys are set.",
      ["key", "kind"],
    );
  }

  /** Starts the counters of all keys at 0, so that rate() sees the first event. */
  initialiseKeys(names: readonly string[]): void {
    for (const key of names) {
      this.#keyRequests.inc({ key }, 0);
      for (const kind of TOKEN_KINDS) this.#keyTokens.inc({ key, kind }, 0);
    }
  }

  /** `whole` says whether all of the response was sent. It is false after a WebSocket upgrade, which is no failure. */
  countResponse(endpoint: string | undefined, status: number, whole: boolean): void {
    const shown = whole || status === SWITCHING_PROTOCOLS ? status : CLIENT_CLOSED_REQUEST;
    this.#responses.inc({ endpoint: endpoint ?? NO_ROUTE, status: shown });
  }

  countRequest(key: string): void {
    this.#keyRequests.inc({ key });
  }

  countTokens(key: string, kind: (typeof TOKEN_KINDS)[number], tokens: number): void {
    this.#keyTokens.inc({ key, kind }, tokens);
  }
}
