// Submits a generation to the engine with the server's time limits, counts its tokens and latencies, and registers it so
// that a shutdown can cancel it.
import type { GenerationInput } from "../asking/ask.ts";
import type { GenerationListener, GenerationResult, TokenEvent } from "../engine/request.ts";
import type { Caller } from "./access/api-keys.ts";
import type { ServedStudent } from "./served-student.ts";
import type { InferenceRun, ServingContext } from "./serving-context.ts";

/**
 * If the listener throws, the generation is cancelled and `done` rejects with that error.
 *
 * @throws MagdiError MAGDI_QUEUE_FULL, MAGDI_CONTEXT_LENGTH, MAGDI_SHUTTING_DOWN, MAGDI_ENGINE_FAILED
 */
export function startGeneration(
  context: ServingContext,
  student: ServedStudent,
  caller: Caller,
  input: GenerationInput,
  listener: GenerationListener,
): InferenceRun<GenerationResult> {
  const { config, metrics, clock } = context;
  const startMs = clock.nowMs();
  const lastTokenMs: (number | undefined)[] = [];
  let anyToken = false;
  let listenerFailure: { readonly cause: unknown } | null = null;

  const catchListenerError = (call: () => void) => {
    if (listenerFailure !== null) return;
    try {
      call();
    } catch (cause) {
      listenerFailure = { cause };
      generation.cancel("cancelled");
    }
  };
  const measure = (event: TokenEvent) => {
    const nowMs = clock.nowMs();
    metrics.countToken(caller.name);
    if (!anyToken) metrics.observeFirstToken((nowMs - startMs) / 1000);
    anyToken = true;
    const beforeMs = lastTokenMs[event.sample];
    if (beforeMs !== undefined) metrics.observeTokenGap((nowMs - beforeMs) / 1000);
    lastTokenMs[event.sample] = nowMs;
  };

  const generation = student.engine.submit(
    {
      ...input,
      queueTimeoutMs: config.queueTimeoutMs,
      timeoutMs: config.requestTimeoutMs,
      prefixScope: config.isolatePrefixes ? caller.name : "",
    },
    {
      onToken(event) {
        measure(event);
        catchListenerError(() => listener.onToken?.(event));
      },
      onSampleEnd(result) {
        catchListenerError(() => listener.onSampleEnd?.(result));
      },
    },
  );
  context.lifecycle.track(generation);
  const done = generation.done.then((result) => {
    metrics.countGeneration(result, caller.name);
    if (listenerFailure !== null) throw listenerFailure.cause;
    return result;
  });
  return { id: input.id, done, cancel: (reason) => generation.cancel(reason) };
}
