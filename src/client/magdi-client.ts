// The typed client of a magdi server: one method for each endpoint of its own API. It runs wherever fetch does, and
// knows nothing of OpenAI's endpoints, for which there is OpenAI's client.
import type {
  BaselineList,
  CallOptions,
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
  /** Longest silence of the server, for a whole answer or between two frames. Default: 600 000. */
  readonly timeoutMs?: number;
  /** How often a request is sent again that was refused with a time to come again. Default: 2. */
  readonly maxRetries?: number;
  /** A server that wants a client to wait longer is not waited for. Default: 30 000. */
  readonly maxRetryDelayMs?: number;
  /** From 0 to 1, the part of a delay to wait on top. Default: Math.random. */
  readonly jitter?: () => number;
  /** Waits before a retry. Default: by the platform's timer. */
  readonly wait?: (ms: number, signal: AbortSignal) => Promise<void>;
}

const SOCKET_PATH = "/v1/reason/ws";

/**
 * Every method throws MagdiApiError for what the server refused, MagdiConnectionError or MagdiTimeoutError when there
 * was no whole answer, and the signal's reason after an abort.
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

  /** The vote over texts that any models wrote. */
  async vote(request: VoteRequest, options: CallOptions = {}): Promise<VoteResponse> {
    return this.#post<VoteResponse>("/v1/vote", request, options);
  }

  /** A WebSocket for many questions; the signal ends the opening only. */
  async connect(options: CallOptions = {}): Promise<ReasonSession> {
    const url = this.#http.url(SOCKET_PATH).replace(/^http/, "ws");
    const scope = new CallScope(options.signal, this.#http.timeoutMs);
    try {
      const Socket = this.#Socket ?? (await platformSocket());
      const socket = await openSocket(Socket, url, subprotocols(this.#apiKey), scope.signal);
      return new ReasonSession(socket, this.#http.timeoutMs);
    } catch (error) {
      // A platform's WebSocket does not tell why it was refused; the same path asked without an upgrade does.
      const refused = scope.signal.aborted ? null : await this.#http.failureOf(SOCKET_PATH, scope);
      // 426: nothing but the upgrade is missing.
      throw refused === null || refused.status === 426 ? scope.explain(error, url) : refused;
    } finally {
      scope.close();
    }
  }

  /** The students that are served. */
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

  /** What debates cost that answers are compared with. */
  async baselines(options: CallOptions = {}): Promise<BaselineList> {
    return this.#get<BaselineList>("/v1/baselines", options);
  }

  /** Whether the process is well; not ok means that a restart is the cure. */
  async health(options: CallOptions = {}): Promise<ProbeAnswer> {
    return this.#probe("/health", options);
  }

  /** Whether new work is taken. */
  async ready(options: CallOptions = {}): Promise<ProbeAnswer> {
    return this.#probe("/ready", options);
  }

  // The server checks its answers against the schemas that the types below are taken from.

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
