// Loaded into the server under test before anything else: answers its parent's question how late the event loop was
// since the last time it was asked. It knows nothing of the server.
import { monitorEventLoopDelay } from "node:perf_hooks";

const PERIOD_MS = 5;
const NS = 1e6;

const histogram = monitorEventLoopDelay({ resolution: PERIOD_MS });
histogram.enable();

/** The histogram holds the time between two firings of a timer: what exceeds its period is the delay. */
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
// Whoever started the server is gone, however it ended: nobody else would end this one.
process.on("disconnect", () => process.kill(process.pid, "SIGTERM"));
// Asked or not, the channel does not keep the server alive.
process.channel?.unref();
