// What is counted of the traffic: responses by route and status, and what each API key takes. It knows no answers.
import type { MetricFactory } from "./metric-factory.ts";

const TOKEN_KINDS = ["prompt", "generation"] as const;
/** Whatever path was asked for that there is no route for. */
const NO_ROUTE = "other";
const SWITCHING_PROTOCOLS = 101;
/** nginx's status for a client that went away before its answer. */
const CLIENT_GONE = 499;

export class TrafficMetrics {
  readonly #responses;
  readonly #keyRequests;
  readonly #keyTokens;

  constructor(factory: MetricFactory) {
    this.#responses = factory.counter(
      "http_responses_total",
      "HTTP responses by route and status; 499 is a client that went away before the end.",
      ["endpoint", "status"],
    );
    this.#keyRequests = factory.counter(
      "key_requests_total",
      "Inference requests that were taken on, by the API key's name; anybody where no keys are set.",
      ["key"],
    );
    this.#keyTokens = factory.counter(
      "key_tokens_total",
      "Prompt and generated tokens by the API key's name; anybody where no keys are set.",
      ["key", "kind"],
    );
  }

  /** All names that there are: their counters start at zero, so that rates are right from the first event on. */
  nameKeys(names: readonly string[]): void {
    for (const key of names) {
      this.#keyRequests.inc({ key }, 0);
      for (const kind of TOKEN_KINDS) this.#keyTokens.inc({ key, kind }, 0);
    }
  }

  /** `whole` says whether all of the response left: of a connection that became a WebSocket nothing does. */
  countResponse(endpoint: string | undefined, status: number, whole: boolean): void {
    const shown = whole || status === SWITCHING_PROTOCOLS ? status : CLIENT_GONE;
    this.#responses.inc({ endpoint: endpoint ?? NO_ROUTE, status: shown });
  }

  countRequest(key: string): void {
    this.#keyRequests.inc({ key });
  }

  countTokens(key: string, kind: (typeof TOKEN_KINDS)[number], tokens: number): void {
    this.#keyTokens.inc({ key, kind }, tokens);
  }
}
