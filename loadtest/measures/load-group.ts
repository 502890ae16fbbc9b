// The measurements of one part of a scenario: latencies, times to first token, inter-token times, rates, errors by kind.
import type { Exchange } from "../requests/exchange.ts";
import { Distribution, type Summary } from "./distribution.ts";

export interface GroupReport {
  readonly name: string;
  readonly requests: number;
  readonly answered: number;
  readonly refused: number;
  readonly dropped: number;
  readonly failed: number;
  /** Counts by error, including refusals. */
  readonly errors: Readonly<Record<string, number>>;
  readonly seconds: number;
  readonly requestsPerSecond: number;
  readonly tokensPerSecond: number;
  /** Milliseconds; null if nothing was measured. */
  readonly latencyMs: Summary | null;
  readonly firstTokenMs: Summary | null;
  readonly interTokenMs: Summary | null;
  readonly refusalMs: Summary | null;
}

export class LoadGroup {
  readonly name: string;
  readonly latencyMs = new Distribution();
  readonly firstTokenMs = new Distribution();
  readonly interTokenMs = new Distribution();
  readonly refusalMs = new Distribution();
  readonly #startMs = performance.now();
  readonly #outcomes = { answered: 0, refused: 0, dropped: 0, failed: 0 };
  readonly #errors = new Map<string, number>();
  #tokens = 0;
  #endMs = this.#startMs;

  constructor(name: string) {
    this.name = name;
  }

  get answered(): number {
    return this.#outcomes.answered;
  }

  get refused(): number {
    return this.#outcomes.refused;
  }

  get dropped(): number {
    return this.#outcomes.dropped;
  }

  get failed(): number {
    return this.#outcomes.failed;
  }

  add(exchange: Exchange): void {
    this.#endMs = performance.now();
    this.#outcomes[exchange.outcome]++;
    if (exchange.error !== null) {
      const what = `${exchange.kind}: ${exchange.error}`;
      this.#errors.set(what, (this.#errors.get(what) ?? 0) + 1);
    }
    if (exchange.outcome === "refused") this.refusalMs.add(exchange.latencyMs);
    if (exchange.outcome !== "answered") return;
    this.latencyMs.add(exchange.latencyMs);
    if (exchange.firstTokenMs !== null) this.firstTokenMs.add(exchange.firstTokenMs);
    this.interTokenMs.addAll(exchange.gapsMs);
    this.#tokens += tokensOf(exchange);
  }

  report(): GroupReport {
    const { answered, refused, dropped, failed } = this.#outcomes;
    const seconds = (this.#endMs - this.#startMs) / 1000;
    const rate = (count: number): number => (seconds === 0 ? 0 : count / seconds);
    return {
      name: this.name,
      requests: answered + refused + dropped + failed,
      answered,
      refused,
      dropped,
      failed,
      errors: Object.fromEntries([...this.#errors].sort()),
      seconds,
      requestsPerSecond: rate(answered),
      tokensPerSecond: rate(this.#tokens),
      latencyMs: this.latencyMs.summary(),
      firstTokenMs: this.firstTokenMs.summary(),
      interTokenMs: this.interTokenMs.summary(),
      refusalMs: this.refusalMs.summary(),
    };
  }
}

/** Generated tokens of an answer. */
function tokensOf({ answer }: Exchange): number {
  if (answer?.type === "reason") return answer.response.usage.completion_tokens;
  return answer?.type === "completion" ? answer.completion.completionTokens : 0;
}
