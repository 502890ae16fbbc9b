// Preloaded into the server under test: reports the event-loop delay since the last report when its parent asks.
import { monitorEventLoopDelay } from "node:perf_hooks";

const PERIOD_MS = 5;
const NS = 1e6;

const histogram = monitorEventLoopDelay({ resolution: PERIOD_MS });
histogram.enable();

/** The histogram has the times between two firings of a timer: the excess over its period is the delay. */
const delayMs = (ns) => Math.max(0, ns / NS - PERIOD_MS);

process.on("message", (question) => {
  if (question !== "event-loop-delay") return;
  process.send?.({
    count: histogram.count,
    mean: histogram.count === 0 ? 0 : delayMs(histogram.mean),
    p50: delayMs(histogram.percentile(50)),
    p90: delayMs(histogram.percentile(90)),
    p99: delayMs(histogram.percentile(99)),
    max: histogram.count === 0 ? 0 : delayMs(histogram.max),
  });
  histogram.reset();
});
// The parent is gone, so nothing else would end this process.
process.on("disconnect", () => process.kill(process.pid, "SIGTERM"));
// The channel must not keep the server alive.
process.channel?.unref();
