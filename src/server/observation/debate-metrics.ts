// Metrics of debates: how they ended and what the agents counted; of questions that went to the agents after the student,
// and of those that both answered.
import { TASKS, type Task } from "../../answers/task.ts";
import { ESCALATION_FAILURES } from "../debate/account-schema.ts";
import type { DebateCost, HeldDebate } from "../debate/debate-team.ts";
import { LONG_SECONDS } from "./engine-metrics.ts";
import type { MetricFactory } from "./metric-factory.ts";

/** Who asks for debates: a request, a question that the student was not sure of, a comparison in the background. */
export const DEBATE_PURPOSES = ["request", "escalation", "shadow"] as const;
export type DebatePurpose = (typeof DEBATE_PURPOSES)[number];

const DEBATE_ENDS: readonly HeldDebate["stopReason"][] = [
  ...(["consensus", "rounds", "unanswered", "enough", "budget", "abort", "gone"] as const),
];
const TOKEN_KINDS = ["prompt", "completion"] as const;

/** "kept" and "changed": the debate's answer is the student's by value, or another. */
const ESCALATION_OUTCOMES = ["kept", "changed", "cancelled", ...ESCALATION_FAILURES] as const;
export type EscalationOutcome = (typeof ESCALATION_OUTCOMES)[number];

/** "dropped": no room in the queue, or a shutdown. */
const SHADOW_OUTCOMES = ["agreed", "disagreed", "no_answer", "budget", "dropped", "failed"] as const;
export type ShadowOutcome = (typeof SHADOW_OUTCOMES)[number];

export class DebateMetrics {
  readonly #factory;
  readonly #debates;
  readonly #tokens;
  readonly #usd;
  readonly #calls;
  readonly #seconds;
  readonly #escalations;
  readonly #shadows;

  constructor(factory: MetricFactory) {
    this.#factory = factory;
    this.#debates = factory.counter(
      "debates_total",
      "Debates that the agents held, by who asked for them and how they ended; gone: nobody waited for the answer any more.",
      ["purpose", "reason"],
    );
    this.#tokens = factory.counter(
      "debate_agent_tokens_total",
      "Tokens of debates, as the agents count them, by who asked for the debates.",
      ["purpose", "kind"],
    );
    this.#usd = factory.counter(
      "debate_usd_total",
      "Dollars that debates cost at the prices of the agents' file, by who asked for them.",
      ["purpose"],
    );
    this.#calls = factory.counter("debate_calls_total", "Calls of agents, attempts that failed included.", [
      "purpose",
    ]);
    this.#seconds = factory.histogram(
      "debate_seconds",
      "From a debate's first call to its end.",
      LONG_SECONDS,
    );
    this.#escalations = factory.counter(
      "escalations_total",
      "Questions that went to the agents because the student was not sure enough: kept or changed its answer, or why there was no debate.",
      ["task", "outcome"],
    );
    this.#shadows = factory.counter(
      "shadow_debates_total",
      "Answered questions that the agents debated in the background: agreed or disagreed with the student, or why they did not.",
      ["task", "outcome"],
    );
    for (const purpose of DEBATE_PURPOSES) {
      for (const reason of DEBATE_ENDS) this.#debates.inc({ purpose, reason }, 0);
      for (const kind of TOKEN_KINDS) this.#tokens.inc({ purpose, kind }, 0);
      this.#usd.inc({ purpose }, 0);
      this.#calls.inc({ purpose }, 0);
    }
    for (const task of TASKS) {
      for (const outcome of ESCALATION_OUTCOMES) this.#escalations.inc({ task, outcome }, 0);
      for (const outcome of SHADOW_OUTCOMES) this.#shadows.inc({ task, outcome }, 0);
    }
  }

  /** What waits and runs is read at each scrape. */
  readQueue(queue: { readonly running: number; readonly waiting: number }): void {
    this.#factory.readGauge("debates_running", "Debates under way.", () => queue.running);
    this.#factory.readGauge("debates_waiting", "Debates that wait for others to end.", () => queue.waiting);
  }

  countDebate(purpose: DebatePurpose, { stopReason, cost }: HeldDebate, seconds: number): void {
    this.#debates.inc({ purpose, reason: stopReason });
    this.#seconds.observe(seconds);
    this.#countCost(purpose, cost);
  }

  countEscalation(task: Task, outcome: EscalationOutcome): void {
    this.#escalations.inc({ task, outcome });
  }

  countShadow(task: Task, outcome: ShadowOutcome): void {
    this.#shadows.inc({ task, outcome });
  }

  #countCost(purpose: DebatePurpose, cost: DebateCost): void {
    this.#tokens.inc({ purpose, kind: "prompt" }, cost.promptTokens);
    this.#tokens.inc({ purpose, kind: "completion" }, cost.completionTokens);
    this.#usd.inc({ purpose }, cost.usd ?? 0);
    this.#calls.inc({ purpose }, cost.calls);
  }
}
