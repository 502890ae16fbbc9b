// A generation with two parties: the one that asked for it, whose failure ends it, and an observer that only measures.

import type { CancelReason } from "../base/finish-reason.ts";
import type {
  Generation,
  GenerationListener,
  GenerationRequest,
  GenerationResult,
  TokenEvent,
} from "../engine/request.ts";

export type GenerationLimits = Pick<
  GenerationRequest,
  "queueTimeoutMs" | "timeoutMs" | "prefixScope" | "caller"
>;

export const NO_LIMITS: GenerationLimits = {
  queueTimeoutMs: Number.POSITIVE_INFINITY,
  timeoutMs: Number.POSITIVE_INFINITY,
};

export interface GenerationObserver {
  onSubmitted?(generation: Generation): void;
  onToken?(event: TokenEvent): void;
  onEnded?(result: GenerationResult): void;
  /** Called instead of onEnded when the engine has failed the generation. */
  onFailed?(error: unknown): void;
}

export interface WatchedGeneration {
  /** Rejects with the listener's error if it threw one: the generation is cancelled then. */
  readonly done: Promise<GenerationResult>;
  cancel(reason: CancelReason): void;
  /** As Generation.start. */
  start(samples: number): void;
}

/** `submit` hands the listener that it is given to the engine; what it throws passes. */
export function watchGeneration(
  submit: (listener: GenerationListener) => Generation,
  listener: GenerationListener,
  observer: GenerationObserver = {},
): WatchedGeneration {
  let failure: { readonly cause: unknown } | null = null;
  const catching = (call: () => void) => {
    if (failure !== null) return;
    try {
      call();
    } catch (cause) {
      failure = { cause };
      generation.cancel("cancelled");
    }
  };
  const generation = submit({
    onToken(event) {
      observer.onToken?.(event);
      catching(() => listener.onToken?.(event));
    },
    onSampleEnd: (result) => catching(() => listener.onSampleEnd?.(result)),
  });
  observer.onSubmitted?.(generation);
  const done = generation.done.then(
    (result) => {
      observer.onEnded?.(result);
      if (failure !== null) throw failure.cause;
      return result;
    },
    (error: unknown) => {
      observer.onFailed?.(error);
      throw error;
    },
  );
  return {
    done,
    cancel: (reason) => generation.cancel(reason),
    start: (samples) => generation.start(samples),
  };
}
