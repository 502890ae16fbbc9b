// A fetch for evaluations, which can wait: no timeout for responses, and retries for a server that has answered before
// and is unreachable or overloaded now.

import { Agent, fetch as undiciFetch } from "undici";
import { waitMs } from "../client/http-transport.ts";

const FIRST_DELAY_MS = 1000;
const MAX_DELAY_MS = 60_000;
/** From a gateway or a busy server; a request that got a 500 would fail again. */
const TRANSIENT = new Set([429, 502, 503, 504]);

export interface PatienceOptions {
  /** Per request; ten take about seven minutes. */
  readonly retries?: number;
  wait?(ms: number, signal: AbortSignal): Promise<void>;
}

/** Each call makes one that remembers whether its server has ever answered. The last attempt's outcome is returned. */
export function retryingFetch({ retries = 10, wait = waitMs }: PatienceOptions = {}): typeof fetch {
  // Node's own fetch gives up after five minutes without response headers, and cannot be configured.
  const dispatcher = new Agent({ headersTimeout: 0, bodyTimeout: 0 });
  let known = false;
  const ask = async (input: string, init: RequestInit): Promise<Response> => {
    const signal = init.signal ?? new AbortController().signal;
    for (let attempt = 0; ; attempt++) {
      const isLast = attempt >= retries;
      try {
        // The same classes under undici's own type names.
        const response = (await undiciFetch(input, { ...init, dispatcher } as never)) as unknown as Response;
        const isTransient = TRANSIENT.has(response.status) && response.headers.get("retry-after") === null;
        if (!isTransient || isLast || !known) {
          known ||= response.ok;
          return response;
        }
        await response.body?.cancel();
      } catch (error) {
        if (signal.aborted || isLast || !known) throw error;
      }
      await wait(Math.min(FIRST_DELAY_MS * 2 ** attempt, MAX_DELAY_MS), signal);
    }
  };
  return ask as typeof fetch;
}
