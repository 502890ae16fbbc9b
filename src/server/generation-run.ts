// A generation under the server's eyes: submitted with the server's time limits, known to the drain, measured, and
// counted when it ends. It knows neither votes nor response shapes.
import { randomUUID } from "node:crypto";
import type { GenerationOrder } from "../asking/ask.ts";
import type { Clock } from "../base/clock.ts";
import type { CancelReason } from "../base/finish-reason.ts";
import type { GenerationListener, GenerationResult, TokenEvent } from "../engine/request.ts";
import type { Baselines } from "../voting/baselines.ts";
import type { Caller } from "./access/caller.ts";
import type { Metrics } from "./observation/metrics.ts";
import type { Tracing } from "./observation/request-trace.ts";
import type { Admission } from "./operations/admission.ts";
import type { ServedStudent } from "./served-student.ts";

/** What every request's life needs of the server. */
export interface ServingContext {
  readonly admission: Admission;
  readonly metrics: Metrics;
  readonly baselines: Baselines;
  readonly clock: Clock;
  readonly queueTimeoutMs: number;
  readonly requestTimeoutMs: number;
  readonly adaptiveThreshold: number;
  /** Whether callers reuse only what their own prompts left computed. */
  readonly isolatePrefixes: boolean;
  /** Null where no traces are collected. */
  readonly tracing: Tracing | null;
}

/** Work that has begun, whatever its answer: what a route waits for, and cancels when its client goes away. */
export interface Run<T> {
  readonly id: string;
  readonly done: Promise<T>;
  cancel(reason: CancelReason): void;
}

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

export function newId(prefix: string): string {
  return `${prefix}-${randomUUID().replaceAll("-", "")}`;
}
