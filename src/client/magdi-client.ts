// The typed client of a magdi server: one method for each endpoint of its own API. It runs wherever fetch does. For the
// OpenAI endpoints there is OpenAI's client.
import type {
  AgentList,
  BaselineList,
  CallOptions,
  DebateRequest,
  DebateResponse,
  DetokenizeRequest,
  DetokenizeResponse,
  Model,
  ProbeAnswer,
  ReasonRequest,
  ReasonResponse,
  TokenizeRequest,
  TokenizeResponse,
  VoteRequest,
  VoteResponse,
} from "./api-types.ts";
import { CallScope } from "./call-scope.ts";
import { type HttpCall, HttpTransport, type TransportOptions, waitMs } from "./http-transport.ts";
import { ReasonSession } from "./reason-session.ts";
import { ReasonStream } from "./reason-stream.ts";
import { openSocket, platformSocket, type SocketConstructor, subprotocols } from "./socket.ts";

export interface MagdiClientOptions {
  /** Where the server listens, such as http://127.0.0.1:8080; a path in front of /v1 is kept. */
  readonly baseUrl: string;
  readonly apiKey?: string;
  /** Default: the platform's. */
  readonly fetch?: typeof fetch;
  /** Default: the platform's, or that of the package ws. */
  readonly WebSocket?: SocketConstructor;
  /** Longest wait for a whole response, or between two frames. Default: 600 000. */
  readonly timeoutMs?: number;
  /** How often a request that was refused with Retry-After is sent again. Default: 2. */
  readonly maxRetries?: number;
  /** A longer Retry-After is not waited for: the error is thrown. Default: 30 000. */
  readonly maxRetryDelayMs?: number;
  /** From 0 to 1: the part of a delay that is added to it. Default: Math.random. */
  readonly jitter?: () => number;
  /** Waits before a retry. Default: by the platform's timer. */
  readonly wait?: (ms: number, signal: AbortSignal) => Promise<void>;
}

const SOCKET_PATH = "/v1/reason/ws";

/**
 * Every method throws MagdiApiError when the server refuses the request or fails on it, MagdiConnectionError or
 * MagdiTimeoutError when no whole response arrives, and the signal's reason after an abort.
 *
 * @example
 * const client = new MagdiClient({ baseUrl: "http://127.0.0.1:8080" });
 * const { answer, votes } = await client.reason({ question: "What is 12 * 7?", samples: 5 });
 */
export class MagdiClient {
  readonly #http: HttpTransport;
  readonly #apiKey: string | null;
  readonly #Socket: SocketConstructor | null;

  constructor(options: MagdiClientOptions) {
    const transport: TransportOptions = {
      baseUrl: options.baseUrl,
      apiKey: options.apiKey ?? null,
      // Browsers let fetch be called on no other object than their own.
      fetch: options.fetch ?? ((input, init) => globalThis.fetch(input, init)),
      timeoutMs: options.timeoutMs ?? 600_000,
      maxRetries: options.maxRetries ?? 2,
      maxRetryDelayMs: options.maxRetryDelayMs ?? 30_000,
      jitter: options.jitter ?? Math.random,
      wait: options.wait ?? waitMs,
    };
    this.#http = new HttpTransport(transport);
    this.#apiKey = transport.apiKey;
    this.#Socket = options.WebSocket ?? null;
  }

  /** One question, one voted answer. */
  async reason(request: ReasonRequest, options: CallOptions = {}): Promise<ReasonResponse> {
    return this.#post<ReasonResponse>("/v1/reason", { ...request, stream: false }, options);
  }

  /** The same, frame by frame. */
  reasonStream(request: ReasonRequest, options: CallOptions = {}): ReasonStream {
    const call: HttpCall = { method: "POST", path: "/v1/reason", body: { ...request, stream: true } };
    return new ReasonStream((scope) => this.#http.open(call, scope), {
      signal: options.signal,
      timeoutMs: this.#http.timeoutMs,
    });
  }

  /** One question, debated by the server's agents. */
  async debate(request: DebateRequest, options: CallOptions = {}): Promise<DebateResponse> {
    return this.#post<DebateResponse>("/v1/debate", { ...request, stream: false }, options);
  }

  /** The same, frame by frame. */
  debateStream(request: DebateRequest, options: CallOptions = {}): ReasonStream<"debate"> {
    const call: HttpCall = { method: "POST", path: "/v1/debate", body: { ...request, stream: true } };
    return new ReasonStream((scope) => this.#http.open(call, scope), {
      signal: options.signal,
      timeoutMs: this.#http.timeoutMs,
    });
  }

  /** Who debates, and what it may still cost today. */
  async agents(options: CallOptions = {}): Promise<AgentList> {
    return this.#get<AgentList>("/v1/agents", options);
  }

  /** The vote over texts that any models wrote. */
  async vote(request: VoteRequest, options: CallOptions = {}): Promise<VoteResponse> {
    return this.#post<VoteResponse>("/v1/vote", request, options);
  }

  /** A WebSocket for many questions; the signal aborts only the opening. */
  async connect(options: CallOptions = {}): Promise<ReasonSession> {
    const url = this.#http.url(SOCKET_PATH).replace(/^http/, "ws");
    const scope = new CallScope(options.signal, this.#http.timeoutMs);
    try {
      const Socket = this.#Socket ?? (await platformSocket());
      const socket = await openSocket(Socket, url, subprotocols(this.#apiKey), scope.signal);
      return new ReasonSession(socket, this.#http.timeoutMs);
    } catch (error) {
      // WebSocket does not expose why the server refused it; a plain GET of the same path does.
      const refused = scope.signal.aborted ? null : await this.#http.failureOf(SOCKET_PATH, scope);
      // 426 (upgrade required) means that nothing else is wrong.
      throw refused === null || refused.status === 426 ? scope.explain(error, url) : refused;
    } finally {
      scope.close();
    }
  }

  /** The served students. */
  async models(options: CallOptions = {}): Promise<Model[]> {
    return (await this.#get<{ readonly data: Model[] }>("/v1/models", options)).data;
  }

  async model(id: string, options: CallOptions = {}): Promise<Model> {
    return this.#get<Model>(`/v1/models/${encodeURIComponent(id)}`, options);
  }

  async tokenize(request: TokenizeRequest, options: CallOptions = {}): Promise<TokenizeResponse> {
    return this.#post<TokenizeResponse>("/v1/tokenize", request, options);
  }

  async detokenize(request: DetokenizeRequest, options: CallOptions = {}): Promise<DetokenizeResponse> {
    return this.#post<DetokenizeResponse>("/v1/detokenize", request, options);
  }

  /** The debate costs that answers are compared with. */
  async baselines(options: CallOptions = {}): Promise<BaselineList> {
    return this.#get<BaselineList>("/v1/baselines", options);
  }

  /** Liveness: not ok means that the process should be restarted. */
  async health(options: CallOptions = {}): Promise<ProbeAnswer> {
    return this.#probe("/health", options);
  }

  /** Readiness: whether new requests are taken. */
  async ready(options: CallOptions = {}): Promise<ProbeAnswer> {
    return this.#probe("/ready", options);
  }

  // The casts below: the server checks its responses against the schemas that the types are inferred from.

  async #get<T>(path: string, { signal }: CallOptions): Promise<T> {
    return (await this.#http.json({ method: "GET", path }, signal)) as T;
  }

  async #post<T>(path: string, body: object, { signal }: CallOptions): Promise<T> {
    return (await this.#http.json({ method: "POST", path, body }, signal)) as T;
  }

  async #probe(path: string, { signal }: CallOptions): Promise<ProbeAnswer> {
    const { ok, body } = await this.#http.probe({ method: "GET", path }, signal);
    const status = typeof body === "object" && body !== null && "status" in body ? String(body.status) : "";
    return { ok, status };
  }
}
