// A running ask or generate call of the magdi package: an async iterable of events, with a result.

import type { CancelReason } from "../base/finish-reason.ts";

export interface RunSource<Event, Result> {
  start(emit: (event: Event) => void): {
    readonly done: Promise<Result>;
    cancel(reason: CancelReason): void;
  };
  readonly signal?: AbortSignal | undefined;
}

/**
 * Iterate over it for events, await `result`, or both. Leaving the loop early cancels the work.
 *
 * @example
 * for await (const event of student.ask({ question: "What is 17 * 3?" })) console.log(event.type);
 */
export class Run<Event, Result> implements AsyncIterable<Event> {
  /** Rejects with a MagdiError if the work failed, and with the signal's reason if it was aborted. */
  readonly result: Promise<Result>;
  readonly #cancel: (reason: CancelReason) => void;
  #events: Event[] = [];
  #ended = false;
  #wake: () => void = () => {};

  constructor({ start, signal }: RunSource<Event, Result>) {
    signal?.throwIfAborted();
    const { done, cancel } = start((event) => {
      this.#events.push(event);
      this.#wake();
    });
    this.#cancel = cancel;
    const abort = () => cancel("cancelled");
    signal?.addEventListener("abort", abort, { once: true });
    this.result = done
      .then((result) => {
        signal?.throwIfAborted();
        return result;
      })
      .finally(() => {
        signal?.removeEventListener("abort", abort);
        this.#ended = true;
        this.#wake();
      });
    // Callers that only iterate get the error from the iterator.
    this.result.catch(() => {});
  }

  /** Stops the work; `result` resolves with what there is so far. */
  cancel(): void {
    this.#cancel("cancelled");
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Event, void, undefined> {
    try {
      for (;;) {
        const events = this.#events;
        this.#events = [];
        yield* events;
        if (this.#events.length > 0) continue;
        if (this.#ended) break;
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
      await this.result;
    } finally {
      if (!this.#ended) this.cancel();
    }
  }
}
