// One request of a session: its frames as they arrive, its result, and the ways to end it early.
import type { AnswerKind, Answers, ServerFrame } from "./api-types.ts";
import { Deferred } from "./deferred.ts";
import { responseOf } from "./reason-stream.ts";

export interface RunControls {
  cancel(): void;
  enough(): void;
  /** Called once, when no more frames are expected. */
  ended(): void;
}

/**
 * Frames are buffered until they are read. Leaving the loop does not end the request, whose result can still be
 * awaited; `cancel` does.
 */
export class SessionRun<K extends AnswerKind = "reason"> implements AsyncIterable<Answers[K]["frame"]> {
  /** The request's id on the connection. */
  readonly id: string;
  readonly #controls: RunControls;
  readonly #result = new Deferred<Answers[K]["response"]>();
  readonly #frames: Answers[K]["frame"][] = [];
  #failure: { readonly reason: unknown } | null = null;
  #ended = false;
  #wake = () => {};

  constructor(id: string, controls: RunControls) {
    this.id = id;
    this.#controls = controls;
  }

  /** Rejects with MagdiApiError, MagdiConnectionError, MagdiTimeoutError, or the signal's reason. */
  get result(): Promise<Answers[K]["response"]> {
    return this.#result.promise;
  }

  /** Cancels the request; result and frames reject with a MagdiApiError whose code is "cancelled". */
  cancel(): void {
    if (!this.#ended) this.#controls.cancel();
  }

  /** Settles the vote on the samples that have finished, or the debate on what was said; the result follows. */
  enough(): void {
    if (!this.#ended) this.#controls.enough();
  }

  /** Called by the session with a frame of this request. */
  take(frame: ServerFrame): void {
    if (this.#ended) return;
    this.#frames.push(frame as Answers[K]["frame"]); // the server sends no others under its id
    const response = responseOf<K>(frame);
    if (response !== null) {
      this.#result.resolve(response);
      this.#end();
    }
    this.#wake();
  }

  /** Called by the session when the request has failed. */
  fail(reason: unknown): void {
    if (this.#ended) return;
    this.#failure = { reason };
    this.#result.reject(reason);
    this.#end();
    this.#wake();
  }

  #end(): void {
    this.#ended = true;
    this.#controls.ended();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Answers[K]["frame"], void> {
    while (true) {
      const frame = this.#frames.shift();
      if (frame !== undefined) yield frame;
      else if (this.#failure !== null) throw this.#failure.reason;
      else if (this.#ended) return;
      else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    }
  }
}
