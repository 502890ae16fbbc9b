// What the server counts, under vLLM's names where it has them. One registry for each app; it knows no HTTP and
// is told of finished work in the project's own terms.
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import type { EngineStats, GenerationResult, StepReport } from "../../engine/request.ts";
import { DISCARD_REASONS } from "../../reasoning/ledger.ts";
import type { Task } from "../../reasoning/task.ts";
import { TASKS } from "../../reasoning/task.ts";
import { discardReasonOf } from "../answering/finish.ts";
import { FAILURE_REASONS, type FailureReason } from "../errors/http-errors.ts";

const SAMPLE_OUTCOMES = ["answered", "unparsed", "length", "aborted"] as const;
export type SampleOutcome = (typeof SAMPLE_OUTCOMES)[number];

const REQUEST_FINISH_REASONS = ["stop", "length", "abort"] as const;
export type RequestFinishReason = (typeof REQUEST_FINISH_REASONS)[number];

/** What the one engine is; exactly one of them is 1. */
const ENGINE_STATES = ["loading", "ready", "stalled", "failed", "closed"] as const;

const EARLY_STOP_RULES = ["exact", "adaptive"] as const;

const SHORT_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 1, 2.5];
const LONG_SECONDS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300];
const TOKENS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000];
const SAMPLES = [1, 2, 3, 4, 5, 8, 10, 16, 20, 32];
const SHARES = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1];

/** One answered question as the vote and the ledger left it. */
export interface AnswerRecord {
  readonly task: Task;
  /** Null when no sample could be read: it counts as no answer, and no debate is held against it. */
  readonly answer: string | null;
  /** All tokens of the request, prompt included. */
  readonly totalTokens: number;
  readonly baseline: string;
  readonly debateTokens: number;
  /** The winner's share of the weight; null without an answer. */
  readonly share: number | null;
  readonly tied: boolean;
  readonly decidedAt: number;
  readonly earlyStop: "exact" | "adaptive" | null;
}

export interface MetricsOptions {
  /** prom-client's process and Node metrics, under their usual names. Default true. */
  readonly processMetrics?: boolean;
}

export class Metrics {
  readonly registry = new Registry();
  #stats: (() => EngineStats) | null = null;

  readonly #modelInfo = this.#gauge("model_info", "Always 1; its label names the served model.", ["model"]);

  readonly #promptTokens = this.#counter("prompt_tokens_total", "Prompt tokens, once for all samples.");
  readonly #promptTokensComputed = this.#counter(
    "prompt_tokens_computed_total",
    "Prompt tokens that were computed rather than reused.",
  );
  readonly #generationTokens = this.#counter(
    "generation_tokens_total",
    "Generated tokens, discarded included.",
  );
  readonly #discardedTokens = this.#counter(
    "generation_tokens_discarded_total",
    "Generated tokens of samples that were stopped by somebody else than the model.",
    ["reason"],
  );
  readonly #samples = this.#counter(
    "samples_total",
    "Samples by outcome: answered (an answer was read, or the sample of a completion stopped by itself), unparsed, length (ran into max_tokens without an answer), aborted.",
    ["outcome"],
  );
  readonly #answers = this.#counter("answers_total", "Voted answers.", ["task"]);
  readonly #debateTokens = this.#counter(
    "debate_tokens_total",
    "Tokens that the same answers would have cost as multi-agent debates.",
    ["task", "baseline"],
  );
  readonly #earlyStops = this.#counter(
    "vote_early_stops_total",
    "Votes settled before all samples finished.",
    ["rule"],
  );
  readonly #ties = this.#counter("vote_ties_total", "Votes that a tie-break settled.");
  readonly #successes = this.#counter(
    "request_success_total",
    "Inference requests answered, by finish reason: abort if a sample was cut off by a deadline or shutdown, else length if one ran into its limit, else stop.",
    ["finish_reason"],
  );
  readonly #failures = this.#counter("request_failures_total", "Inference requests that failed.", ["reason"]);

  readonly #firstToken = this.#histogram(
    "time_to_first_token_seconds",
    "From submission to the first token.",
    LONG_SECONDS,
  );
  readonly #tokenGap = this.#histogram(
    "inter_token_latency_seconds",
    "Between two tokens of one sample.",
    SHORT_SECONDS,
  );
  readonly #latency = this.#histogram(
    "e2e_request_latency_seconds",
    "From submission to the last token.",
    LONG_SECONDS,
  );
  readonly #queueTime = this.#histogram(
    "request_queue_time_seconds",
    "From submission to prefill.",
    LONG_SECONDS,
  );
  readonly #requestPromptTokens = this.#histogram(
    "request_prompt_tokens",
    "Prompt tokens of a request.",
    TOKENS,
  );
  readonly #requestTokens = this.#histogram(
    "request_generation_tokens",
    "Generated tokens of a request.",
    TOKENS,
  );
  readonly #requestSamples = this.#histogram("request_samples", "Samples of a request.", SAMPLES);
  readonly #tokensPerAnswer = this.#histogram(
    "tokens_per_answer",
    "Prompt and generated tokens of an answer.",
    TOKENS,
    ["task"],
  );
  readonly #voteShare = this.#histogram("vote_share", "The winning answer's share of the vote.", SHARES);
  readonly #decidedAt = this.#histogram(
    "decided_at_sample",
    "Samples finished when the vote was settled.",
    SAMPLES,
  );
  readonly #stepSeconds = this.#histogram(
    "engine_step_seconds",
    "Duration of an engine step.",
    SHORT_SECONDS,
    ["phase"],
  );
  readonly #batchRows = this.#histogram("batch_rows", "Rows of a decode step.", SAMPLES);
  readonly #stalls = this.#counter("engine_stalls_total", "Steps that took longer than the stall timeout.");
  readonly #loopDelay = this.#histogram("event_loop_delay_seconds", "How late a timer was.", SHORT_SECONDS);

  constructor(options: MetricsOptions = {}) {
    if (options.processMetrics ?? true) collectDefaultMetrics({ register: this.registry });
    this.#gaugeOf(
      "requests_running",
      "Requests being prefilled or decoded.",
      (stats) => stats.requestsRunning,
    );
    this.#gaugeOf("requests_waiting", "Requests in the waiting line.", (stats) => stats.requestsWaiting);
    this.#gaugeOf("samples_running", "Samples being decoded.", (stats) => stats.samplesRunning);
    this.#gaugeOf(
      "kv_cache_usage_ratio",
      "Cache tokens in use over cache tokens there are.",
      (stats) => stats.kvCacheUsageRatio,
    );
    const state = () => this.#stats?.().state ?? "loading";
    new Gauge({
      name: "magdi_engine_state",
      help: "1 for the state that the engine is in, 0 for the others.",
      labelNames: ["state"],
      registers: [this.registry],
      collect() {
        const now = state();
        for (const each of ENGINE_STATES) this.set({ state: each }, each === now ? 1 : 0);
      },
    });
    // Closed sets start at zero, so that rates are right from the first event on.
    for (const reason of DISCARD_REASONS) this.#discardedTokens.inc({ reason }, 0);
    for (const outcome of SAMPLE_OUTCOMES) this.#samples.inc({ outcome }, 0);
    for (const task of TASKS) this.#answers.inc({ task }, 0);
    for (const rule of EARLY_STOP_RULES) this.#earlyStops.inc({ rule }, 0);
    for (const finish_reason of REQUEST_FINISH_REASONS) this.#successes.inc({ finish_reason }, 0);
    for (const reason of FAILURE_REASONS) this.#failures.inc({ reason }, 0);
  }

  /** From now on the gauges are read from this engine at each scrape. */
  serve(modelId: string, stats: () => EngineStats): void {
    this.#stats = stats;
    this.#modelInfo.set({ model: modelId }, 1);
  }

  readonly observeStep = (step: StepReport): void => {
    this.#stepSeconds.observe({ phase: step.phase }, step.seconds);
    if (step.phase === "decode") this.#batchRows.observe(step.rows);
  };

  /** Told of each change of the engine's state: what is over before the next scrape is still counted. */
  countEngineChange(to: EngineStats["state"]): void {
    if (to === "stalled") this.#stalls.inc();
  }

  observeLoopDelay(seconds: number): void {
    this.#loopDelay.observe(seconds);
  }

  observeFirstToken(seconds: number): void {
    this.#firstToken.observe(seconds);
  }

  observeTokenGap(seconds: number): void {
    this.#tokenGap.observe(seconds);
  }

  /** The token counters of one generation: a prompt that never left the queue costs nothing. */
  countGeneration(result: GenerationResult): void {
    const { timing } = result;
    if (timing.prefillStartMs !== null) {
      this.#promptTokens.inc(result.promptTokens);
      this.#promptTokensComputed.inc(result.promptTokensComputed);
      this.#queueTime.observe((timing.prefillStartMs - timing.submittedMs) / 1000);
    }
    let generated = 0;
    for (const sample of result.samples) {
      generated += sample.tokenIds.length;
      const reason = discardReasonOf(sample.finishReason);
      if (reason !== null) this.#discardedTokens.inc({ reason }, sample.tokenIds.length);
    }
    this.#generationTokens.inc(generated);
    this.#requestPromptTokens.observe(result.promptTokens);
    this.#requestTokens.observe(generated);
    this.#requestSamples.observe(result.samples.length);
    this.#latency.observe((timing.endMs - timing.submittedMs) / 1000);
  }

  countSample(outcome: SampleOutcome): void {
    this.#samples.inc({ outcome });
  }

  countAnswer(record: AnswerRecord): void {
    const { task } = record;
    this.#decidedAt.observe(record.decidedAt);
    if (record.earlyStop !== null) this.#earlyStops.inc({ rule: record.earlyStop });
    if (record.answer === null) return;
    this.#answers.inc({ task });
    this.#debateTokens.inc({ task, baseline: record.baseline }, record.debateTokens);
    this.#tokensPerAnswer.observe({ task }, record.totalTokens);
    if (record.share !== null) this.#voteShare.observe(record.share);
    if (record.tied) this.#ties.inc();
  }

  countSuccess(finishReason: RequestFinishReason): void {
    this.#successes.inc({ finish_reason: finishReason });
  }

  countFailure(reason: FailureReason): void {
    this.#failures.inc({ reason });
  }

  #counter(name: string, help: string, labelNames: string[] = []): Counter {
    return new Counter({ name: `magdi_${name}`, help, labelNames, registers: [this.registry] });
  }

  #gauge(name: string, help: string, labelNames: string[] = []): Gauge {
    return new Gauge({ name: `magdi_${name}`, help, labelNames, registers: [this.registry] });
  }

  #gaugeOf(name: string, help: string, read: (stats: EngineStats) => number): void {
    const stats = () => this.#stats?.() ?? null;
    new Gauge({
      name: `magdi_${name}`,
      help,
      registers: [this.registry],
      collect() {
        const now = stats();
        this.set(now === null ? 0 : read(now));
      },
    });
  }

  #histogram(name: string, help: string, buckets: number[], labelNames: string[] = []): Histogram {
    return new Histogram({ name: `magdi_${name}`, help, buckets, labelNames, registers: [this.registry] });
  }
}
