// How long one call may last: until its caller aborts it, or nothing has come for too long. It knows nothing of HTTP.
import { MagdiApiError, MagdiConnectionError, MagdiTimeoutError } from "./client-error.ts";

export class CallScope {
  readonly #controller = new AbortController();
  readonly #outer: AbortSignal | undefined;
  readonly #timeoutMs: number;
  readonly #onOuterAbort = () => this.#controller.abort(this.#outer?.reason);
  #timer: ReturnType<typeof setTimeout> | undefined;
  #timedOut = false;

  /** `timeoutMs` counts from the last `heard`, but for the time after `answered`; Infinity waits for ever. */
  constructor(outer: AbortSignal | undefined, timeoutMs: number) {
    this.#outer = outer;
    this.#timeoutMs = timeoutMs;
    if (outer?.aborted) this.#onOuterAbort();
    else outer?.addEventListener("abort", this.#onOuterAbort);
    this.heard();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Something came: the waiting time begins anew. */
  heard(): void {
    clearTimeout(this.#timer);
    if (!Number.isFinite(this.#timeoutMs) || this.#controller.signal.aborted) return;
    this.#timer = setTimeout(() => {
      this.#timedOut = true;
      this.#controller.abort(this.#timeout());
    }, this.#timeoutMs);
  }

  /** An answer came whole: until the next `heard` nothing is waited for, and no silence counted. */
  answered(): void {
    clearTimeout(this.#timer);
  }

  abort(reason: unknown): void {
    this.#controller.abort(reason);
  }

  /** Lets go of timer and signal; what is going on is not aborted. */
  close(): void {
    clearTimeout(this.#timer);
    this.#outer?.removeEventListener("abort", this.#onOuterAbort);
  }

  /** What the caller is told when `error` came out of the call: an abort's own reason, or whose fault it was. */
  explain(error: unknown, doing: string): unknown {
    if (this.#timedOut) return this.#timeout();
    if (this.#controller.signal.aborted) return this.#controller.signal.reason;
    if (error instanceof MagdiApiError || error instanceof MagdiConnectionError) return error;
    return new MagdiConnectionError(`${doing}: ${reasonOf(error)}`, { cause: error });
  }

  #timeout(): MagdiTimeoutError {
    return new MagdiTimeoutError(`nothing came from the server for ${this.#timeoutMs} ms (timeoutMs)`);
  }
}

/** fetch says "fetch failed" and puts why into the cause. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { cause } = error;
  return cause instanceof Error && cause.message !== ""
    ? `${error.message} (${cause.message})`
    : error.message;
}
