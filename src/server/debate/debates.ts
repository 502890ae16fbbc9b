// The debates of a server: each within the places that there are, the budget of its day and its deadline. It knows
// questions and callers, and no HTTP.

import type { Clock } from "../../base/clock.ts";
import { MagdiError } from "../../base/errors.ts";
import type { CancelReason } from "../../base/finish-reason.ts";
import type { DebateMetrics, DebatePurpose } from "../observation/debate-metrics.ts";
import type { DailyBudget } from "./daily-budget.ts";
import type { DebateQueue } from "./debate-queue.ts";
import type {
  DebateCost,
  DebateTeam,
  HeldDebate,
  HeldMissing,
  HoldOptions,
  TeamQuestion,
} from "./debate-team.ts";

export interface DebatesParts {
  readonly team: DebateTeam;
  readonly queue: DebateQueue;
  readonly budget: DailyBudget;
  readonly metrics: DebateMetrics;
  readonly clock: Clock;
  /** Of one debate, from its first call. */
  readonly timeoutMs: number;
  /** Gets every agent that fails. */
  onFailure(missing: HeldMissing): void;
  /** Gets errors that are the server's fault. */
  onError(error: unknown): void;
}

export interface AskedDebate extends Pick<HoldOptions, "rounds" | "seed" | "vote"> {
  readonly question: TeamQuestion;
  /** Who pays; null for nobody, where the sum of all alone is bounded. */
  readonly account: string | null;
  readonly purpose: DebatePurpose;
  /** A bound besides the account's: that of debates in the background. */
  readonly bound?: DailyBudget;
}

export type DebateListener = Pick<HoldOptions, "onCall" | "onNode" | "onMissing" | "onRound">;

export interface EndedDebate {
  readonly held: HeldDebate;
  readonly queueMs: number;
  readonly totalMs: number;
}

export interface RunningDebate {
  /** Rejects with MAGDI_QUEUE_TIMEOUT, MAGDI_AGENTS_FAILED, MAGDI_DEBATE_BUDGET, MAGDI_SHUTTING_DOWN when nobody had
   * answered by then, and MAGDI_CANCELLED after a cancel by the client. An unhandled rejection is ignored. */
  readonly done: Promise<EndedDebate>;
  /** What it cost, once `done` is settled; null if it did not begin. */
  readonly cost: DebateCost | null;
  /** A deadline or shutdown ends it with what was said; otherwise nobody waits for it. */
  cancel(reason: CancelReason): void;
  /** Ends it with what was said. */
  enough(): void;
}

export class Debates {
  readonly #parts: DebatesParts;

  constructor(parts: DebatesParts) {
    this.#parts = parts;
  }

  get team(): DebateTeam {
    return this.#parts.team;
  }

  get budget(): DailyBudget {
    return this.#parts.budget;
  }

  /** Tells of an error that no client is told of. */
  failed(error: unknown): void {
    this.#parts.onError(error);
  }

  /** @throws MagdiError MAGDI_DEBATE_BUDGET, MAGDI_QUEUE_FULL */
  begin(asked: AskedDebate, listener: DebateListener = {}): RunningDebate {
    const { budget, queue } = this.#parts;
    budget.assertLeft(asked.account);
    asked.bound?.assertLeft(asked.account);
    queue.assertRoom();
    const debate = new OneDebate(this.#parts, asked, listener);
    debate.done.catch(() => {});
    return debate;
  }
}

class OneDebate implements RunningDebate {
  readonly done: Promise<EndedDebate>;
  readonly #parts: DebatesParts;
  readonly #asked: AskedDebate;
  readonly #leave = new AbortController();
  #settle: ((reason: "enough" | "abort" | "gone") => void) | null = null;
  #cost: DebateCost | null = null;
  #shutdown = false;
  #enough = false;

  constructor(parts: DebatesParts, asked: AskedDebate, listener: DebateListener) {
    this.#parts = parts;
    this.#asked = asked;
    this.done = this.#held(listener);
  }

  get cost(): DebateCost | null {
    return this.#cost;
  }

  cancel(reason: CancelReason): void {
    const isOver = reason === "deadline" || reason === "shutdown";
    this.#shutdown ||= reason === "shutdown";
    this.#end(isOver ? "abort" : "gone");
  }

  enough(): void {
    this.#enough = true;
    this.#end("enough");
  }

  #end(reason: "enough" | "abort" | "gone"): void {
    if (this.#settle !== null) this.#settle(reason);
    else this.#leave.abort(this.#shutdown ? shuttingDown() : cancelled());
  }

  async #held(listener: DebateListener): Promise<EndedDebate> {
    const { queue, clock, timeoutMs, metrics } = this.#parts;
    const { account, purpose, question } = this.#asked;
    const askedMs = clock.nowMs();
    let stopTimer = () => {};
    let free = () => {};
    try {
      free = await this.#place(queue, account);
      const begunMs = clock.nowMs();
      const run = this.#parts.team.hold(question, this.#options(listener));
      this.#settle = run.settle;
      if (this.#enough) run.settle("enough"); // before the first call
      stopTimer = clock.setTimer(timeoutMs, () => this.cancel("deadline"));
      const held = await run.done;
      this.#cost = held.cost;
      const endMs = clock.nowMs();
      metrics.countDebate(purpose, held, (endMs - begunMs) / 1000);
      this.#assertHeard(held);
      return { held, queueMs: begunMs - askedMs, totalMs: endMs - askedMs };
    } finally {
      stopTimer();
      free();
    }
  }

  async #place(queue: DebateQueue, account: string | null): Promise<() => void> {
    const { signal } = this.#leave;
    try {
      const free = await queue.acquire(account ?? "", signal);
      if (!signal.aborted) return free;
      free();
    } catch (error) {
      if (!this.#enough) throw error;
    }
    if (!this.#enough) throw signal.reason;
    return () => {}; // it calls nobody
  }

  #options(listener: DebateListener): HoldOptions {
    const { budget, onFailure } = this.#parts;
    const { account, bound, rounds, seed, vote } = this.#asked;
    return {
      ...listener,
      onMissing(missing) {
        if (!missing.cut) onFailure(missing);
        listener.onMissing?.(missing);
      },
      ...{ rounds, seed, vote },
      mayCall: () => budget.hasLeft(account) && (bound?.hasLeft(account) ?? true),
      onCost(cost) {
        budget.add(account, cost);
        bound?.add(account, cost);
      },
    };
  }

  /** @throws MagdiError when nobody waits for the debate, and when nobody has said anything in it */
  #assertHeard({ nodes, stopReason, missing }: HeldDebate): void {
    const { budget } = this.#parts;
    const { account, bound } = this.#asked;
    if (stopReason === "gone") throw cancelled();
    if (nodes.length > 0 || stopReason === "enough") return;
    if (this.#shutdown) throw shuttingDown();
    if (stopReason === "budget") {
      budget.assertLeft(account);
      bound?.assertLeft(account);
    }
    const why = missing.map(({ agent, status, cut }) =>
      cut
        ? `${agent}: no answer in time`
        : status === null
          ? `${agent}: no answer`
          : `${agent}: status ${status}`,
    );
    throw new MagdiError("MAGDI_AGENTS_FAILED", `no agent answered (${why.join("; ")})`);
  }
}

function cancelled(): MagdiError {
  return new MagdiError("MAGDI_CANCELLED", "the debate was cancelled");
}

function shuttingDown(): MagdiError {
  return new MagdiError("MAGDI_SHUTTING_DOWN", "the server is shutting down");
}
