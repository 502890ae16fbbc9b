// The server's Prometheus metrics, with vLLM's names where it has them. One registry for each app. No HTTP here.
import { collectDefaultMetrics, Registry } from "prom-client";
import { TASKS } from "../../answers/task.ts";
import type { AskRecord } from "../../asking/ask.ts";
import {
  DISCARD_REASONS,
  discardReasonOf,
  type FinishReason,
  requestEndOf,
} from "../../base/finish-reason.ts";
import { packageVersion } from "../../base/package-files.ts";
import type { EngineStats, GenerationResult, StepReport } from "../../engine/request.ts";
import { FAILURE_REASONS, type FailureReason } from "../transport/http-errors.ts";
import { DebateMetrics } from "./debate-metrics.ts";
import { EngineMetrics, LONG_SECONDS, SHORT_SECONDS } from "./engine-metrics.ts";
import { MetricFactory } from "./metric-factory.ts";
import { TrafficMetrics } from "./traffic-metrics.ts";

const SAMPLE_OUTCOMES = ["answered", "unparsed", "length", "aborted"] as const;
type SampleOutcome = (typeof SAMPLE_OUTCOMES)[number];

const REQUEST_FINISH_REASONS = ["stop", "length", "abort"] as const;

const EARLY_STOP_RULES = ["exact", "adaptive"] as const;

/** prom-client's gauges with a counter's suffix; the same numbers are also exported by type. */
const MISNAMED = ["handles", "requests", "resources"].map((kind) => `nodejs_active_${kind}_total`);

const TOKENS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000];
const SAMPLES = [1, 2, 3, 4, 5, 8, 10, 16, 20, 32];
const SHARES = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1];

interface EndedSample {
  readonly finishReason: FinishReason;
}

export interface MetricsOptions {
  /** Include prom-client's process and Node metrics. Default true. */
  readonly processMetrics?: boolean;
}

export class Metrics {
  readonly registry = new Registry();
  readonly #factory = new MetricFactory(this.registry);
  readonly engine = new EngineMetrics(this.#factory);
  readonly traffic = new TrafficMetrics(this.#factory);
  readonly debates = new DebateMetrics(this.#factory);

  readonly #promptTokens = this.#factory.counter(
    "prompt_tokens_total",
    "Prompt tokens, once for all samples.",
  );
  readonly #promptTokensComputed = this.#factory.counter(
    "prompt_tokens_computed_total",
    "Prompt tokens that were computed rather than reused.",
  );
  readonly #generationTokens = this.#factory.counter(
    "generation_tokens_total",
    "Generated tokens, discarded included.",
  );
  readonly #discardedTokens = this.#factory.counter(
    "generation_tokens_discarded_total",
    "Generated tokens of samples that were stopped early, by reason.",
    ["reason"],
  );
  readonly #samples = this.#factory.counter(
    "samples_total",
    "Samples by outcome: answered (an answer was read, or the sample of a completion stopped by itself), unparsed, length (ran into max_tokens without an answer), aborted.",
    ["outcome"],
  );
  readonly #answers = this.#factory.counter("answers_total", "Voted answers.", ["task"]);
  readonly #debateTokens = this.#factory.counter(
    "debate_tokens_total",
    "Tokens that the same answers would have cost as multi-agent debates.",
    ["task", "baseline"],
  );
  readonly #earlyStops = this.#factory.counter(
    "vote_early_stops_total",
    "Votes settled before all samples finished.",
    ["rule"],
  );
  readonly #ties = this.#factory.counter("vote_ties_total", "Votes that a tie-break settled.");
  readonly #successes = this.#factory.counter(
    "request_success_total",
    "Inference requests answered, by finish reason: abort if a sample was cut off by a deadline or shutdown, else length if one ran into its limit, else stop.",
    ["finish_reason"],
  );
  readonly #failures = this.#factory.counter("request_failures_total", "Inference requests that failed.", [
    "reason",
  ]);

  readonly #firstToken = this.#factory.histogram(
    "time_to_first_token_seconds",
    "From submission to the first token.",
    LONG_SECONDS,
  );
  readonly #tokenGap = this.#factory.histogram(
    "inter_token_latency_seconds",
    "Between two tokens of one sample.",
    SHORT_SECONDS,
  );
  readonly #latency = this.#factory.histogram(
    "e2e_request_latency_seconds",
    "From submission to the last token.",
    LONG_SECONDS,
  );
  readonly #queueTime = this.#factory.histogram(
    "request_queue_time_seconds",
    "From submission to prefill.",
    LONG_SECONDS,
  );
  readonly #requestPromptTokens = this.#factory.histogram(
    "request_prompt_tokens",
    "Prompt tokens of a request.",
    TOKENS,
  );
  readonly #requestTokens = this.#factory.histogram(
    "request_generation_tokens",
    "Generated tokens of a request.",
    TOKENS,
  );
  readonly #requestSamples = this.#factory.histogram("request_samples", "Samples of a request.", SAMPLES);
  readonly #tokensPerAnswer = this.#factory.histogram(
    "tokens_per_answer",
    "Prompt and generated tokens of an answer.",
    TOKENS,
    ["task"],
  );
  readonly #voteShare = this.#factory.histogram(
    "vote_share",
    "The winning answer's share of the vote.",
    SHARES,
  );
  readonly #decidedAt = this.#factory.histogram(
    "decided_at_sample",
    "Samples finished when the vote was settled.",
    SAMPLES,
  );
  readonly #loopDelay = this.#factory.histogram(
    "event_loop_delay_seconds",
    "How late a timer was.",
    SHORT_SECONDS,
  );

  constructor(options: MetricsOptions = {}) {
    if (options.processMetrics ?? true) {
      collectDefaultMetrics({ register: this.registry });
      for (const name of MISNAMED) this.registry.removeSingleMetric(name);
    }
    this.#factory
      .gauge("build_info", "Always 1; its labels name the build.", ["version", "node"])
      .set({ version: packageVersion(), node: process.version }, 1);
    // Known label values start at 0, so that rate() sees the first event.
    for (const reason of DISCARD_REASONS) this.#discardedTokens.inc({ reason }, 0);
    for (const outcome of SAMPLE_OUTCOMES) this.#samples.inc({ outcome }, 0);
    for (const task of TASKS) {
      this.#answers.inc({ task }, 0);
      this.#tokensPerAnswer.zero({ task });
    }
    for (const rule of EARLY_STOP_RULES) this.#earlyStops.inc({ rule }, 0);
    for (const finish_reason of REQUEST_FINISH_REASONS) this.#successes.inc({ finish_reason }, 0);
    for (const reason of FAILURE_REASONS) this.#failures.inc({ reason }, 0);
  }

  /** From now on the engine's metrics are read from `stats` at each scrape. */
  serve(modelId: string, stats: () => EngineStats): void {
    this.engine.serve(modelId, stats);
  }

  readonly observeStep = (step: StepReport): void => this.engine.observeStep(step);

  observeLoopDelay(seconds: number): void {
    this.#loopDelay.observe(seconds);
  }

  observeFirstToken(seconds: number): void {
    this.#firstToken.observe(seconds);
  }

  /** Called for each generated token. */
  countToken(key: string): void {
    this.#generationTokens.inc();
    this.traffic.countTokens(key, "generation", 1);
  }

  observeTokenGap(seconds: number): void {
    this.#tokenGap.observe(seconds);
  }

  /** Counts a generation at its end. A prompt that never left the waiting queue costs nothing. */
  countGeneration(result: GenerationResult, key: string): void {
    const { timing } = result;
    this.traffic.observeWait(key, ((timing.prefillStartMs ?? timing.endMs) - timing.submittedMs) / 1000);
    if (timing.prefillStartMs !== null) {
      this.#promptTokens.inc(result.promptTokens);
      this.traffic.countTokens(key, "prompt", result.promptTokens);
      this.#promptTokensComputed.inc(result.promptTokensComputed);
      this.#queueTime.observe((timing.prefillStartMs - timing.submittedMs) / 1000);
    }
    let generated = 0;
    for (const sample of result.samples) {
      generated += sample.tokenIds.length;
      const reason = discardReasonOf(sample.finishReason);
      if (reason !== null) this.#discardedTokens.inc({ reason }, sample.tokenIds.length);
    }
    this.#requestPromptTokens.observe(result.promptTokens);
    this.#requestTokens.observe(generated);
    this.#requestSamples.observe(result.samples.length);
    this.#latency.observe((timing.endMs - timing.submittedMs) / 1000);
  }

  /** Counts a question at its end: samples, finish reason, answer. */
  countQuestion(record: AskRecord): void {
    for (const { finishReason, answer } of record.samples) {
      this.#samples.inc({ outcome: outcomeOf(finishReason, answer !== null) });
    }
    if (!this.#countEnd(record.samples)) return;
    const { task, stopReason, answer, baseline, usage, votes, tied } = record;
    this.#decidedAt.observe(record.decidedAt);
    if (stopReason === "exact" || stopReason === "adaptive") this.#earlyStops.inc({ rule: stopReason });
    // Without an answer there is nothing to compare with a debate.
    if (answer === null) return;
    this.#answers.inc({ task });
    this.#debateTokens.inc({ task, baseline: baseline.name }, baseline.tokens);
    this.#tokensPerAnswer.observe({ task }, usage.totalTokens);
    if (votes[0] !== undefined) this.#voteShare.observe(votes[0].share);
    if (tied) this.#ties.inc();
  }

  /** Counts a completion at its end, over all its prompts. */
  countCompletion(samples: readonly EndedSample[]): void {
    this.countCompletionSamples(samples);
    this.#countEnd(samples);
  }

  /** Counts only samples: for prompts whose batch failed because of another prompt. */
  countCompletionSamples(samples: readonly EndedSample[]): void {
    for (const { finishReason } of samples) {
      this.#samples.inc({ outcome: outcomeOf(finishReason, finishReason === "stop") });
    }
  }

  /** Counts success or failure; true for success. */
  #countEnd(samples: readonly EndedSample[]): boolean {
    const end = requestEndOf(samples);
    if (end === "disconnect" || end === "cancelled") {
      this.countFailure(end);
      return false;
    }
    this.#successes.inc({ finish_reason: end });
    return true;
  }

  countFailure(reason: FailureReason): void {
    this.#failures.inc({ reason });
  }
}

function outcomeOf(finishReason: FinishReason, answered: boolean): SampleOutcome {
  if (discardReasonOf(finishReason) !== null) return "aborted";
  if (answered) return "answered";
  return finishReason === "length" ? "length" : "unparsed";
}
