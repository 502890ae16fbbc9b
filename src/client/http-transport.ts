// The client's HTTP requests: base URL, API key, JSON both ways, the server's errors, and retries after Retry-After.
import { CallScope } from "./call-scope.ts";
import { MagdiApiError } from "./client-error.ts";

export interface TransportOptions {
  readonly baseUrl: string;
  readonly apiKey: string | null;
  readonly fetch: typeof fetch;
  readonly timeoutMs: number;
  readonly maxRetries: number;
  readonly maxRetryDelayMs: number;
  /** From 0 to 1: the part of a delay that is added to it, so that clients refused together do not retry together. */
  jitter(): number;
  wait(ms: number, signal: AbortSignal): Promise<void>;
}

export interface HttpCall {
  readonly method: "GET" | "POST";
  readonly path: string;
  readonly body?: object;
}

const MIN_RETRY_DELAY_MS = 100;

export class HttpTransport {
  readonly #options: TransportOptions;

  constructor(options: TransportOptions) {
    this.#options = options;
  }

  get timeoutMs(): number {
    return this.#options.timeoutMs;
  }

  url(path: string): string {
    return this.#options.baseUrl.replace(/\/+$/, "") + path;
  }

  /**
   * The JSON of a whole response.
   *
   * @throws MagdiApiError, MagdiConnectionError, MagdiTimeoutError, or the signal's reason
   */
  async json(call: HttpCall, signal: AbortSignal | undefined): Promise<unknown> {
    return this.#within(call, signal, async (scope) => (await this.open(call, scope)).json());
  }

  /** A probe's status and JSON; 503 is an answer, too. Without retries. */
  async probe(
    call: HttpCall,
    signal: AbortSignal | undefined,
  ): Promise<{ readonly ok: boolean; readonly body: unknown }> {
    return this.#within(call, signal, async (scope) => {
      const response = await this.#send(call, scope);
      if (!response.ok && response.status !== 503) throw await errorOf(response);
      return { ok: response.ok, body: await response.json() };
    });
  }

  /** The error that the server answers a GET with, without retries; null if there is none, or no answer. */
  async failureOf(path: string, scope: CallScope): Promise<MagdiApiError | null> {
    try {
      const response = await this.#send({ method: "GET", path }, scope);
      return response.ok ? null : await errorOf(response);
    } catch {
      return null;
    }
  }

  /**
   * A successful response, its body still to be read. Requests that the server refuses for now (429 and 503 with
   * Retry-After) are sent again, up to `maxRetries` times: it has not begun to work on them.
   */
  async open(call: HttpCall, scope: CallScope): Promise<Response> {
    for (let attempt = 0; ; attempt++) {
      const response = await this.#send(call, scope);
      if (response.ok) return response;
      const error = await errorOf(response);
      const delayMs = this.#retryDelayMs(error, attempt);
      if (delayMs === null) throw error;
      scope.answered();
      await this.#options.wait(delayMs, scope.signal);
      scope.heard();
    }
  }

  /** Null when there is no retry: another error, no Retry-After, or one beyond `maxRetryDelayMs`. */
  #retryDelayMs(error: MagdiApiError, attempt: number): number | null {
    const { maxRetries, maxRetryDelayMs, jitter } = this.#options;
    const { status, retryAfterSeconds } = error;
    if (attempt >= maxRetries || (status !== 429 && status !== 503) || retryAfterSeconds === null)
      return null;
    const leastMs = Math.max(retryAfterSeconds * 1000, MIN_RETRY_DELAY_MS);
    if (leastMs > maxRetryDelayMs) return null;
    return Math.min(leastMs * (1 + jitter()), maxRetryDelayMs);
  }

  async #send({ method, path, body }: HttpCall, scope: CallScope): Promise<Response> {
    const { apiKey, fetch } = this.#options;
    const response = await fetch(this.url(path), {
      method,
      signal: scope.signal,
      headers: {
        ...(apiKey === null ? {} : { authorization: `Bearer ${apiKey}` }),
        ...(body === undefined ? {} : { "content-type": "application/json" }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    scope.heard();
    return response;
  }

  async #within<T>(
    { method, path }: HttpCall,
    signal: AbortSignal | undefined,
    work: (scope: CallScope) => Promise<T>,
  ): Promise<T> {
    const scope = new CallScope(signal, this.timeoutMs);
    try {
      return await work(scope);
    } catch (error) {
      throw scope.explain(error, `${method} ${this.url(path)}`);
    } finally {
      scope.close();
    }
  }
}

async function errorOf(response: Response): Promise<MagdiApiError> {
  let body: unknown;
  try {
    body = await response.json();
  } catch {
    body = null; // not JSON, such as a proxy's page: the status is all there is
  }
  return new MagdiApiError(body, {
    status: response.status,
    requestId: response.headers.get("x-request-id"),
    retryAfterSeconds: retryAfterSeconds(response.headers.get("retry-after")),
  });
}

/** Seconds, or a date (RFC 9110, section 10.2.3). */
function retryAfterSeconds(header: string | null): number | null {
  if (header === null) return null;
  if (/^[0-9]+$/.test(header.trim())) return Number(header);
  const dateMs = Date.parse(header);
  return Number.isNaN(dateMs) ? null : Math.max(0, (dateMs - Date.now()) / 1000);
}

/** Resolves after `ms`, or rejects with the signal's reason. */
export function waitMs(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const stop = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", stop);
      resolve();
    }, ms);
    signal.addEventListener("abort", stop, { once: true });
  });
}
