// fetch for an evaluation, which may wait: no limit on how long an answer takes to begin, and a server that has
// answered before is asked again while it is away or refuses without saying when to come. It knows no endpoint.

import { Agent, fetch as undiciFetch } from "undici";
import { waitMs } from "../client/http-transport.ts";

const FIRST_DELAY_MS = 1000;
const MAX_DELAY_MS = 60_000;
/** What a gateway or a busy server says; others say 500 of a request that would fail again. */
const PASSING = new Set([429, 502, 503, 504]);

export interface PatienceOptions {
  /** Times that one request is asked again: ten make about seven minutes. */
  readonly retries?: number;
  wait?(ms: number, signal: AbortSignal): Promise<void>;
}

/**
 * Each call makes one that remembers for itself whether its server has ever answered. What it rejects with and
 * responds is what the last attempt came to.
 */
export function patientFetch({ retries = 10, wait = waitMs }: PatienceOptions = {}): typeof fetch {
  // Node's own fetch gives up after five minutes without an answer's head, and cannot be told otherwise.
  const dispatcher = new Agent({ headersTimeout: 0, bodyTimeout: 0 });
  let known = false;
  const ask = async (input: string, init: RequestInit): Promise<Response> => {
    const signal = init.signal ?? new AbortController().signal;
    for (let attempt = 0; ; attempt++) {
      const isLast = attempt >= retries;
      try {
        // The same standard twice: undici's types name its own classes.
        const response = (await undiciFetch(input, { ...init, dispatcher } as never)) as unknown as Response;
        const passes = PASSING.has(response.status) && response.headers.get("retry-after") === null;
        if (!passes || isLast || !known) {
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
