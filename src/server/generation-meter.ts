// What the server sets for a generation and watches of it: time limits, tokens and latencies, and its place among those
// that a shutdown cancels.
import type { GenerationLimits, GenerationObserver } from "../asking/watched-generation.ts";
import { type ErrorCode, MagdiError } from "../base/errors.ts";
import type { Caller } from "./access/caller.ts";
import type { ServingContext } from "./app-context.ts";

export function generationLimits({ config }: ServingContext, caller: Caller): GenerationLimits {
  return {
    queueTimeoutMs: config.queueTimeoutMs,
    timeoutMs: config.requestTimeoutMs,
    prefixScope: config.isolatePrefixes ? caller.name : "",
    caller: { name: caller.account, weight: caller.weight },
  };
}

/** What ends a generation that has waited, and not begun. */
const ENDED_WAITING: readonly ErrorCode[] = ["MAGDI_QUEUE_TIMEOUT", "MAGDI_QUEUE_FULL"];

/** Of one generation. */
export function generationMeter(context: ServingContext, caller: Caller): GenerationObserver {
  const { metrics, clock, lifecycle } = context;
  let submittedMs = 0;
  const lastTokenMs: (number | undefined)[] = [];
  let anyToken = false;
  return {
    onSubmitted(generation) {
      submittedMs = clock.nowMs();
      lifecycle.track(generation);
    },
    onToken({ sample }) {
      const nowMs = clock.nowMs();
      metrics.countToken(caller.name);
      if (!anyToken) metrics.observeFirstToken((nowMs - submittedMs) / 1000);
      anyToken = true;
      const beforeMs = lastTokenMs[sample];
      if (beforeMs !== undefined) metrics.observeTokenGap((nowMs - beforeMs) / 1000);
      lastTokenMs[sample] = nowMs;
    },
    onEnded: (result) => metrics.countGeneration(result, caller.name),
    onFailed(error) {
      if (!(error instanceof MagdiError) || !ENDED_WAITING.includes(error.code)) return;
      metrics.traffic.observeWait(caller.name, (clock.nowMs() - submittedMs) / 1000);
    },
  };
}
