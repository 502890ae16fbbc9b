// The client's own account of what the server's counters should be, computed from the answers alone.
import type { ReasonResponse } from "../../src/server/reason/schema.ts";
import type { CompletionAnswer, Exchange } from "../requests/exchange.ts";
import { PATHS } from "../requests/order.ts";
import type { MetricsSnapshot } from "../server/metrics-snapshot.ts";

export interface CounterDifference {
  readonly series: string;
  readonly expected: number;
  readonly found: number;
}

export interface Comparison {
  /** Series that were compared. */
  readonly compared: number;
  readonly different: readonly CounterDifference[];
  /** Counters that a client cannot know. */
  readonly unknown: readonly string[];
}

/** The last bits of a sum of fractions depend on its order. */
const RELATIVE_TOLERANCE = 1e-9;

/** The failure reason in the metrics of each error code. */
const FAILURE_OF_CODE: Readonly<Record<string, string>> = {
  queue_full: "queue_full",
  queue_timeout: "queue_timeout",
  shutting_down: "shutting_down",
  internal_error: "internal",
  rate_limit_exceeded: "rate_limited",
  context_length_exceeded: "context_length",
};

/** Counters with all series known to the client, zero if nothing was seen. */
const KNOWN = [
  "prompt_tokens_total",
  "prompt_tokens_computed_total",
  "generation_tokens_total",
  "generation_tokens_discarded_total",
  "samples_total",
  "answers_total",
  "debate_tokens_total",
  "vote_early_stops_total",
  "vote_ties_total",
  "request_success_total",
  "request_failures_total",
  "engine_stalls_total",
  "prefix_cache_queries_total",
  "prefix_cache_hits_total",
  // None: all of the load is one caller's, and stays within the limits over all connections.
  "preemptions_total",
  "recomputed_tokens_total",
  "limits_reached_total",
  // None: the load debates nothing.
  "debates_total",
  "debate_calls_total",
  "debate_agent_tokens_total",
  "debate_usd_total",
  "escalations_total",
  "shadow_debates_total",
].map((name) => `magdi_${name}`);

/** How many drafts are checked follows from times, and shows in nothing that a client is told. */
const BY_TIMES = ["magdi_draft_tokens_total", "magdi_accepted_draft_tokens_total"];

/** Counters by API key name, which a client does not know: compared as sums over all names. */
const BY_KEY = [
  { name: "magdi_key_requests_total", labels: {} },
  { name: "magdi_key_tokens_total", labels: { kind: "prompt" } },
  { name: "magdi_key_tokens_total", labels: { kind: "generation" } },
] as const;

/** Only for the endpoints under load, not for probes and scrapes. */
const RESPONSES = "magdi_http_responses_total";
const ENDPOINTS = new Set(Object.values(PATHS).filter((path) => path !== PATHS["reason-socket"]));

/** Counted for every prompt, or for none if the cache is off. */
const PREFIX_QUERIES = "magdi_prefix_cache_queries_total";

/** Counts and sums of histograms that a client can know. */
const KNOWN_HISTOGRAMS = [
  "magdi_time_to_first_token_seconds_count",
  "magdi_inter_token_latency_seconds_count",
  "magdi_e2e_request_latency_seconds_count",
  "magdi_request_queue_time_seconds_count",
  "magdi_request_prompt_tokens_sum",
  "magdi_request_prompt_tokens_count",
  "magdi_request_generation_tokens_sum",
  "magdi_request_generation_tokens_count",
  "magdi_request_samples_sum",
  "magdi_request_samples_count",
  "magdi_vote_share_count",
  "magdi_decided_at_sample_sum",
  "magdi_decided_at_sample_count",
];

export class Account {
  readonly #expected = new Map<string, number>();

  add({ kind, answer, outcome, error }: Exchange): void {
    if (outcome === "dropped") return; // what it had cost, only the server knows
    const status = outcome === "answered" ? "200" : error?.split(" ")[0];
    if (kind !== "reason-socket")
      this.#count(`http_responses_total{endpoint="${PATHS[kind]}",status="${status}"}`);
    if (outcome !== "answered") {
      const code = error?.split(" ")[1] ?? "";
      this.#count(`request_failures_total{reason="${FAILURE_OF_CODE[code] ?? code}"}`);
    } else if (answer?.type === "reason") this.#reason(answer.response);
    else if (answer?.type === "completion") this.#completion(answer.completion);
  }

  /** Every counter against this account. */
  compare(before: MetricsSnapshot, after: MetricsSnapshot): Comparison {
    const found = new Map<string, number>();
    const unknown = new Set<string>();
    const look = (series: string): void => void found.set(series, after.value(series) - before.value(series));
    for (const series of this.#expected.keys()) look(series);
    for (const series of KNOWN_HISTOGRAMS) look(series);
    for (const { name, series } of after.counterSeries()) {
      if (BY_TIMES.includes(name)) continue;
      if (KNOWN.includes(name)) look(series);
      else if (name === RESPONSES) {
        if (ENDPOINTS.has(/endpoint="([^"]*)"/.exec(series)?.[1] ?? "")) look(series);
      } else if (name.startsWith("magdi_") && !BY_KEY.some((each) => each.name === name)) unknown.add(name);
    }
    for (const { name, labels } of BY_KEY) {
      found.set(seriesOf(name, labels), after.sum(name, labels) - before.sum(name, labels));
    }
    if (after.value(PREFIX_QUERIES) === 0) found.delete(PREFIX_QUERIES);
    const different: CounterDifference[] = [];
    for (const [series, value] of [...found].sort(([a], [b]) => (a < b ? -1 : 1))) {
      const expected = this.#expected.get(series) ?? 0;
      if (Math.abs(value - expected) > RELATIVE_TOLERANCE * Math.max(1, after.value(series))) {
        different.push({ series, expected, found: value });
      }
    }
    return { compared: found.size, different, unknown: [...unknown].sort() };
  }

  #reason(response: ReasonResponse): void {
    const { usage, task, samples = [], votes } = response;
    this.#generation({
      prompt: usage.prompt_tokens,
      computed: usage.prompt_tokens_computed,
      tokens: usage.completion_tokens,
      samples: samples.length,
      samplesWithTokens: samples.filter((sample) => sample.tokens > 0).length,
    });
    this.#count('generation_tokens_discarded_total{reason="decided"}', usage.completion_tokens_discarded);
    for (const sample of samples) this.#count(`samples_total{outcome="${outcomeOf(sample)}"}`);
    this.#count(
      `request_success_total{finish_reason="${endOf(samples.map((sample) => sample.finish_reason))}"}`,
    );
    this.#count("decided_at_sample_count");
    this.#count("decided_at_sample_sum", response.decided_at);
    const { stop_reason } = response;
    if (stop_reason === "exact" || stop_reason === "adaptive") {
      this.#count(`vote_early_stops_total{rule="${stop_reason}"}`);
    }
    if (response.answer === null) return;
    this.#count(`answers_total{task="${task}"}`);
    this.#count("vote_share_count");
    this.#count(`tokens_per_answer_count{task="${task}"}`);
    this.#count(`tokens_per_answer_sum{task="${task}"}`, usage.total_tokens);
    if (response.comparison !== null) {
      const { baseline, tokens } = response.comparison;
      this.#count(`debate_tokens_total{task="${task}",baseline="${baseline}"}`, tokens);
    }
    if (votes[1] !== undefined && votes[1].weight === votes[0]?.weight) this.#count("vote_ties_total");
  }

  #completion({ promptTokens, cachedTokens, completionTokens, finishReasons }: CompletionAnswer): void {
    this.#generation({
      prompt: promptTokens,
      computed: promptTokens - cachedTokens,
      tokens: completionTokens,
      samples: finishReasons.length,
      samplesWithTokens: finishReasons.length,
    });
    for (const reason of finishReasons) {
      this.#count(
        `samples_total{outcome="${reason === "stop" ? "answered" : reason === "length" ? "length" : "aborted"}"}`,
      );
    }
    this.#count(`request_success_total{finish_reason="${endOf(finishReasons)}"}`);
  }

  /** One prompt that the engine has answered. */
  #generation(of: {
    readonly prompt: number;
    readonly computed: number;
    readonly tokens: number;
    readonly samples: number;
    readonly samplesWithTokens: number;
  }): void {
    this.#count('key_tokens_total{kind="prompt"}', of.prompt);
    this.#count('key_tokens_total{kind="generation"}', of.tokens);
    this.#count("key_requests_total");
    this.#count("prefix_cache_queries_total", of.prompt);
    this.#count("prefix_cache_hits_total", of.prompt - of.computed);
    this.#count("prompt_tokens_total", of.prompt);
    this.#count("prompt_tokens_computed_total", of.computed);
    this.#count("generation_tokens_total", of.tokens);
    this.#count("request_prompt_tokens_count");
    this.#count("request_prompt_tokens_sum", of.prompt);
    this.#count("request_generation_tokens_count");
    this.#count("request_generation_tokens_sum", of.tokens);
    this.#count("request_samples_count");
    this.#count("request_samples_sum", of.samples);
    this.#count("e2e_request_latency_seconds_count");
    this.#count("request_queue_time_seconds_count");
    if (of.tokens > 0) this.#count("time_to_first_token_seconds_count");
    this.#count("inter_token_latency_seconds_count", of.tokens - of.samplesWithTokens);
  }

  #count(series: string, amount = 1): void {
    const name = `magdi_${series}`;
    this.#expected.set(name, (this.#expected.get(name) ?? 0) + amount);
  }
}

function seriesOf(name: string, labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([label, value]) => `${label}="${value}"`);
  return pairs.length === 0 ? name : `${name}{${pairs.join(",")}}`;
}

function outcomeOf({
  finish_reason,
  answer,
}: {
  readonly finish_reason: string;
  readonly answer: string | null;
}): string {
  if (finish_reason === "cancelled" || finish_reason === "abort") return "aborted";
  if (answer !== null) return "answered";
  return finish_reason === "length" ? "length" : "unparsed";
}

/** How the request as a whole ended; samples that the vote no longer needed do not count. */
function endOf(finishReasons: readonly string[]): "stop" | "length" | "abort" {
  if (finishReasons.includes("abort")) return "abort";
  return finishReasons.includes("length") ? "length" : "stop";
}
