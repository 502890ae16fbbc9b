// A generation under the server's eyes: submitted with the server's time limits, known to the drain, measured, and
// counted when it ends. It knows neither votes nor response shapes.
import { randomBytes, randomUUID } from "node:crypto";
import type { Clock } from "../base/clock.ts";
import { MagdiError } from "../base/errors.ts";
import type {
  CancelReason,
  GenerationListener,
  GenerationResult,
  SamplingParams,
  TokenEvent,
} from "../engine/request.ts";
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

export interface GenerationOrder {
  readonly id: string;
  readonly caller: Caller;
  readonly promptTokens: Int32Array;
  readonly samples: number;
  readonly sampling: SamplingParams;
  /** Whether the text goes on with the prompt's. */
  readonly continuesText?: boolean;
  /** The request's field that holds the prompt, or a part of it such as prompt[3], for the error about its length. */
  readonly promptParam: string;
}

/**
 * Submits to the engine. `done` rejects also with what the listener threw: the generation is cancelled then.
 *
 * @throws MagdiError MAGDI_QUEUE_FULL, MAGDI_CONTEXT_LENGTH, MAGDI_SHUTTING_DOWN, MAGDI_ENGINE_FAILED
 */
export function startGeneration(
  context: ServingContext,
  student: ServedStudent,
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
    metrics.countToken(order.caller.name);
    if (!anyToken) metrics.observeFirstToken((nowMs - startMs) / 1000);
    anyToken = true;
    const beforeMs = lastTokenMs[event.sample];
    if (beforeMs !== undefined) metrics.observeTokenGap((nowMs - beforeMs) / 1000);
    lastTokenMs[event.sample] = nowMs;
  };

  const generation = withPromptParam(order.promptParam, () =>
    student.engine.submit(
      {
        id: order.id,
        promptTokens: order.promptTokens,
        samples: order.samples,
        sampling: order.sampling,
        continuesText: order.continuesText ?? false,
        queueTimeoutMs: context.queueTimeoutMs,
        timeoutMs: context.requestTimeoutMs,
        prefixScope: context.isolatePrefixes ? order.caller.name : "",
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
    ),
  );
  context.admission.add(generation);
  const done = generation.done.then((result) => {
    metrics.countGeneration(result, order.caller.name);
    if (listenerFailure !== null) throw listenerFailure.cause;
    return result;
  });
  return { id: order.id, done, cancel: (reason) => generation.cancel(reason) };
}

/** The engine speaks of promptTokens; a client hears of the field that it wrote. */
export function withPromptParam<T>(promptParam: string, call: () => T): T {
  try {
    return call();
  } catch (error) {
    if (!(error instanceof MagdiError) || error.param !== "promptTokens") throw error;
    const where = promptParam.replace(/\[.*/, "");
    throw new MagdiError(
      error.code,
      where === promptParam ? error.message : `${promptParam}: ${error.message}`,
      {
        param: where,
        details: error.details,
        cause: error,
      },
    );
  }
}

/** An unsigned 53-bit integer from the system's randomness. */
export function randomSeed(): number {
  return Number(randomBytes(8).readBigUInt64BE() >> 11n);
}

export function newId(prefix: string): string {
  return `${prefix}-${randomUUID().replaceAll("-", "")}`;
}
