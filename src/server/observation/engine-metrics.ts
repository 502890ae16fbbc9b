// The engine's metrics: state and load, read at each scrape, and step durations.
import { MEMORY_PARTS, type MemoryPlan } from "../../engine/memory-plan.ts";
import type { EngineStats, StepReport } from "../../engine/request.ts";
import type { MetricFactory } from "./metric-factory.ts";

const STATES = ["loading", "ready", "stalled", "failed", "closed"] as const;

export const LONG_SECONDS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300];
export const SHORT_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 1, 2.5];
const ROWS = [1, 2, 3, 4, 5, 8, 10, 16, 20, 32];

export class EngineMetrics {
  readonly #modelInfo;
  readonly #stepSeconds;
  readonly #batchRows;
  readonly #stalls;
  readonly #memory;
  #stats: (() => EngineStats) | null = null;

  constructor(factory: MetricFactory) {
    this.#modelInfo = factory.gauge("model_info", "Always 1; its label names the served model.", ["model"]);
    this.#stepSeconds = factory.histogram(
      "engine_step_seconds",
      "Duration of an engine step.",
      SHORT_SECONDS,
      ["phase"],
    );
    this.#batchRows = factory.histogram("batch_rows", "Rows of a decode step.", ROWS);
    this.#stalls = factory.counter("engine_stalls_total", "Steps that took longer than the stall timeout.");
    this.#memory = factory.gauge(
      "memory_plan_bytes",
      "Memory that the server took at its start, by what for; available is what there was.",
      ["kind"],
    );
    const gauge = (name: string, help: string, read: (stats: EngineStats) => number) =>
      factory.readGauge(name, help, () => (this.#stats === null ? 0 : read(this.#stats())));
    gauge("requests_running", "Requests being prefilled or decoded.", (stats) => stats.requestsRunning);
    gauge("requests_waiting", "Requests in the waiting queue.", (stats) => stats.requestsWaiting);
    gauge(
      "samples_waiting",
      "Samples of the requests in the waiting queue.",
      (stats) => stats.samplesWaiting,
    );
    gauge("samples_running", "Samples being decoded.", (stats) => stats.samplesRunning);
    gauge(
      "kv_cache_usage_ratio",
      "Share of the KV cache's tokens in use.",
      (stats) => stats.kvCacheUsageRatio,
    );
    const counter = (name: string, help: string, read: (stats: EngineStats) => number) =>
      factory.readCounter(name, help, () => (this.#stats === null ? 0 : read(this.#stats())));
    counter(
      "prefix_cache_queries_total",
      "Prompt tokens looked up in the prefix cache.",
      (stats) => stats.prefixQueriedTokens,
    );
    counter(
      "prefix_cache_hits_total",
      "Prompt tokens reused from the prefix cache.",
      (stats) => stats.prefixHitTokens,
    );
    counter(
      "preemptions_total",
      "Rows that samples gave back to a caller below its share.",
      (stats) => stats.preemptions,
    );
    counter(
      "recomputed_tokens_total",
      "Tokens computed again: after their row had been given back, and of prompts whose samples start in waves.",
      (stats) => stats.recomputedTokens,
    );
    counter("draft_tokens_total", "Drafted tokens that were checked.", (stats) => stats.draftedTokens);
    counter(
      "accepted_draft_tokens_total",
      "Drafted tokens that were right.",
      (stats) => stats.acceptedDraftTokens,
    );
    const state = () => this.#stats?.().state ?? "loading";
    factory.stateGauge("engine_state", "1 for the engine's state, 0 for the others.", STATES, state);
  }

  /** From now on the metrics are read from `stats` at each scrape. */
  serve(modelId: string, stats: () => EngineStats): void {
    this.#stats = stats;
    this.#modelInfo.set({ model: modelId }, 1);
  }

  showMemory({ available, bytes }: MemoryPlan): void {
    this.#memory.set({ kind: "available" }, available.bytes);
    for (const kind of MEMORY_PARTS) this.#memory.set({ kind }, bytes[kind]);
  }

  observeStep(step: StepReport): void {
    this.#stepSeconds.observe({ phase: step.phase }, step.seconds);
    if (step.phase === "decode") this.#batchRows.observe(step.rows);
  }

  /** Called at each state change, so that a stall between two scrapes is counted too. */
  countChange(to: EngineStats["state"]): void {
    if (to === "stalled") this.#stalls.inc();
  }
}
