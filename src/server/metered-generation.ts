// A generation with the server's time limits, known to the drain, and metered: tokens and latencies go to the metrics.
import type { GenerationOrder } from "../asking/ask.ts";
import type { GenerationListener, GenerationResult, TokenEvent } from "../engine/request.ts";
import type { Caller } from "./access/caller.ts";
import type { ServedStudent } from "./served-student.ts";
import type { Run, ServingContext } from "./serving-context.ts";

/**
 * Submits to the engine. `done` rejects also with what the listener threw: the generation is cancelled then.
 *
 * @throws MagdiError MAGDI_QUEUE_FULL, MAGDI_CONTEXT_LENGTH, MAGDI_SHUTTING_DOWN, MAGDI_ENGINE_FAILED
 */
export function startGeneration(
  context: ServingContext,
  student: ServedStudent,
  caller: Caller,
  order: GenerationOrder,
  listener: GenerationListener,
): Run<GenerationResult> {
  const { metrics, clock } = context;
  const startMs = clock.nowMs();
  const lastTokenMs: (number | undefined)[] = [];
  let anyToken = false;
  let listenerFailure: { readonly cause: unknown } | null = null;

  const guard = (call: () => void) => {
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
      ...order,
      queueTimeoutMs: context.queueTimeoutMs,
      timeoutMs: context.requestTimeoutMs,
      prefixScope: context.isolatePrefixes ? caller.name : "",
    },
    {
      onToken(event) {
        measure(event);
        guard(() => listener.onToken?.(event));
      },
      onSampleEnd(result) {
        guard(() => listener.onSampleEnd?.(result));
      },
    },
  );
  context.admission.add(generation);
  const done = generation.done.then((result) => {
    metrics.countGeneration(result, caller.name);
    if (listenerFailure !== null) throw listenerFailure.cause;
    return result;
  });
  return { id: order.id, done, cancel: (reason) => generation.cancel(reason) };
}
