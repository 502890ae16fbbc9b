// All endpoints and transports at once, with one sample and with many; the soak is the same for half an hour.
import type { LoadGroup } from "../measures/load-group.ts";
import { KINDS, type Kind } from "../requests/order.ts";
import { closedLoop, pause } from "./pace.ts";
import type { Amounts, Scenario, ScenarioContext } from "./scenario.ts";

const KIND_MIX: readonly Kind[] = [
  "reason",
  "reason",
  "reason-stream",
  "reason-stream",
  "reason-socket",
  "reason-socket",
  "chat",
  "chat-stream",
  "completion",
  "completion-stream",
  "tokenize",
];
/** Mostly one sample, rarely the maximum. */
const SAMPLE_MIX: readonly number[] = [1, 1, 1, 1, 5, 5, 10, 10, 32];
const MAX_TOKENS = 32;

const MEMORY_EVERY_SECONDS = 10;
/** The share of the time that is warm-up: five minutes of thirty. */
const WARM_SHARE = 1 / 6;
const MEMORY_GROWTH_LIMIT_PERCENT = 2;

async function mix(context: ScenarioContext, amounts: Amounts): Promise<void> {
  const { client, workload, results, signal } = context;
  const groups = new Map<Kind, LoadGroup>(KINDS.map((kind) => [kind, results.group(kind)]));
  await closedLoop(amounts, signal, async () => {
    const kind = workload.pick(KIND_MIX);
    const samples = workload.pick(SAMPLE_MIX);
    const order = workload.next(kind, { samples, maxTokens: MAX_TOKENS });
    const exchange = await client.perform(order);
    results.record(groups.get(kind)!, exchange); // every kind has one
  });
}

export const mixed: Scenario = {
  name: "mixed",
  summary: "every endpoint and transport at once, with 1, 5, 10 and 32 samples",
  serverFlags: [],
  ownServer: false,
  timed: true,
  defaults: { connections: 6, requests: 300, seconds: null },
  mayRefuse: false,
  comparesCounters: true,
  run: (context) => mix(context, context.amounts),
};

export const soak: Scenario = {
  name: "soak",
  summary: "mixed for half an hour; memory every ten seconds, every counter against the client's own count",
  serverFlags: [],
  ownServer: false,
  timed: true,
  defaults: { connections: 6, requests: 0, seconds: 1800 },
  mayRefuse: false,
  comparesCounters: true,
  async run(context) {
    const { server, results, amounts, signal } = context;
    const startMs = performance.now();
    const over = new AbortController();
    const stop = () => over.abort();
    signal.addEventListener("abort", stop, { once: true });
    const remember = async (): Promise<void> => {
      const metrics = await server.metrics();
      results.memory.push({
        seconds: (performance.now() - startMs) / 1000,
        residentBytes: metrics.value("process_resident_memory_bytes"),
      });
    };
    const watch = async (): Promise<void> => {
      while (!over.signal.aborted) {
        await remember();
        await pause(1000 * MEMORY_EVERY_SECONDS, over.signal);
      }
    };
    const watching = watch();
    watching.catch(() => {}); // it is awaited below, perhaps after it has failed
    await mix(context, amounts);
    stop();
    await watching;
    signal.removeEventListener("abort", stop);
    if (signal.aborted) return;
    await remember();
    results.target("memory growth after the warm-up", growthPercent(results.memory), "%", {
      atMost: MEMORY_GROWTH_LIMIT_PERCENT,
    });
  },
};

/** Growth of resident memory since the warm-up; null without samples. */
function growthPercent(
  samples: readonly { readonly seconds: number; readonly residentBytes: number }[],
): number | null {
  const last = samples.at(-1);
  if (last === undefined) return null;
  const warm = samples.find(({ seconds }) => seconds >= last.seconds * WARM_SHARE) ?? last;
  return (100 * (last.residentBytes - warm.residentBytes)) / warm.residentBytes;
}
