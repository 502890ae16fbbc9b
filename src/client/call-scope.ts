// The lifetime of one call: it ends when the caller aborts it, or when nothing was received for too long.
import { MagdiApiError, MagdiConnectionError, MagdiTimeoutError } from "./client-error.ts";

export class CallScope {
  readonly #controller = new AbortController();
  readonly #outer: AbortSignal | undefined;
  readonly #timeoutMs: number;
  readonly #onOuterAbort = () => this.#controller.abort(this.#outer?.reason);
  #timer: ReturnType<typeof setTimeout> | undefined;
  #timedOut = false;

  /** `timeoutMs` runs from the last `heard` and is suspended by `answered`; Infinity means no timeout. */
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

  /** Something was received: the timeout starts again. */
  heard(): void {
    clearTimeout(this.#timer);
    if (!Number.isFinite(this.#timeoutMs) || this.#controller.signal.aborted) return;
    this.#timer = setTimeout(() => {
      this.#timedOut = true;
      this.#controller.abort(this.#timeout());
    }, this.#timeoutMs);
  }

  /** A response is complete: no timeout until the next `heard`. */
  answered(): void {
    clearTimeout(this.#timer);
  }

  abort(reason: unknown): void {
    this.#controller.abort(reason);
  }

  /** Clears the timer and stops listening to the caller's signal; aborts nothing. */
  close(): void {
    clearTimeout(this.#timer);
    this.#outer?.removeEventListener("abort", this.#onOuterAbort);
  }

  /** What to throw when the call failed with `error`: a timeout, the abort's reason, or a connection error. */
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

/** fetch only says "fetch failed"; the reason is in the cause. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { cause } = error;
  return cause instanceof Error && cause.message !== ""
    ? `${error.message} (${cause.message})`
    : error.message;
}
