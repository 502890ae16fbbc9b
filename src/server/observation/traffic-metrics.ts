// Traffic metrics: HTTP responses by route and status; requests and tokens by API key; limits that were reached.
import { LIMITS, type Limit } from "./limits.ts";
import type { MetricFactory } from "./metric-factory.ts";

const TOKEN_KINDS = ["prompt", "generation"] as const;
/** Few, because each is a series for each key. */
const WAIT_SECONDS = [0.1, 1, 5, 10, 30, 60];
/** The label of paths without a route. */
const NO_ROUTE = "other";
const SWITCHING_PROTOCOLS = 101;
/** nginx's status for a client that disconnected before its answer. */
const CLIENT_CLOSED_REQUEST = 499;

export interface Holdings {
  connections(): number;
  webSockets(): number;
  bodyBytes(): number;
  unreadBytes(): number;
}

export class TrafficMetrics {
  readonly #responses;
  readonly #keyRequests;
  readonly #keyTokens;
  readonly #keyQueueTime;
  readonly #limits;
  readonly #factory;

  constructor(factory: MetricFactory) {
    this.#factory = factory;
    this.#limits = factory.counter(
      "limits_reached_total",
      "Connections, requests and answers that a limit refused or cut off, by the limit (docs/security.md).",
      ["reason"],
    );
    for (const limit of Object.keys(LIMITS)) this.#limits.inc({ reason: limit }, 0);
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
    this.#keyQueueTime = factory.histogram(
      "key_queue_time_seconds",
      "From submission to prefill, or to the end of a request that never began, by the API key's name; anybody if no keys are set.",
      WAIT_SECONDS,
      ["key"],
    );
  }

  /** Starts the counters of all keys at 0, so that rate() sees the first event. */
  initialiseKeys(names: readonly string[]): void {
    for (const key of names) {
      this.#keyRequests.inc({ key }, 0);
      this.#keyQueueTime.zero({ key });
      for (const kind of TOKEN_KINDS) this.#keyTokens.inc({ key, kind }, 0);
    }
  }

  /** `whole` says whether all of the response was sent. It is false after a WebSocket upgrade, which is no failure. */
  countResponse(endpoint: string | undefined, status: number, whole: boolean): void {
    const shown = whole || status === SWITCHING_PROTOCOLS ? status : CLIENT_CLOSED_REQUEST;
    this.#responses.inc({ endpoint: endpoint ?? NO_ROUTE, status: shown });
  }

  countLimit(limit: Limit): void {
    this.#limits.inc({ reason: limit });
  }

  /** What is held now is read at each scrape. */
  readHoldings(holdings: Holdings): void {
    const { connections, webSockets, bodyBytes, unreadBytes } = holdings;
    this.#factory.readGauge("open_connections", "Open connections, WebSockets included.", connections);
    this.#factory.readGauge("open_websockets", "Open WebSockets.", webSockets);
    this.#factory.readGauge(
      "body_buffer_bytes",
      "Bytes of bodies of requests under way, and of WebSocket messages that arrive.",
      bodyBytes,
    );
    this.#factory.readGauge(
      "answer_buffer_bytes",
      "Bytes of answers that clients have not read yet.",
      unreadBytes,
    );
  }

  countRequest(key: string): void {
    this.#keyRequests.inc({ key });
  }

  observeWait(key: string, seconds: number): void {
    this.#keyQueueTime.observe({ key }, seconds);
  }

  countTokens(key: string, kind: (typeof TOKEN_KINDS)[number], tokens: number): void {
    this.#keyTokens.inc({ key, kind }, tokens);
  }
}
