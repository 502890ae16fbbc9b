// Makes the calls of a run: within each agent's limits and the budget, journalled, retried, and never one twice.

import { setMaxListeners } from "node:events";
import { type Clock, delay } from "../base/clock.ts";
import { MagdiError } from "../base/errors.ts";
import type { Message } from "../text/chat-prompt.ts";
import { type Agent, AgentCallError, type AgentReply, type CallUsage } from "./agent.ts";
import type { CallKey, CallLine } from "./call-journal.ts";
import { CallLimiter } from "./call-limiter.ts";
import { type Budget, type DebateLedger, usdOf } from "./debate-ledger.ts";

const FIRST_RETRY_MS = 1000;
const MOST_RETRY_MS = 60_000;
/** An agent that asks to be left alone for longer ends the run, which can be continued then. */
const MOST_RETRY_AFTER_MS = 600_000;
/** Of one agent, each after all its retries: it is away, and the debates would all lack it. */
const MOST_FAILURES_IN_A_ROW = 10;

/** Where calls are kept: in the journal of a run, or in memory for one debate. */
export interface CallStore {
  /** The call's outcome; undefined when it is still to be made. */
  outcome(key: CallKey): CallLine | undefined;
  /** How often it was attempted. */
  attempts(key: CallKey): number;
  add(line: CallLine): void;
}

/** What a caller puts up with before an agent counts as missing. */
export interface Patience {
  /** Further attempts after the first, where the agent's own limit is not smaller. */
  readonly retries: number;
  /** The longest that an agent may ask to be left alone. */
  readonly mostRetryAfterMs: number;
  /** Whether an agent that cannot be asked at all ends everything; otherwise the others go on without it. */
  readonly halts: boolean;
}

/** Of a run that can be continued later. */
const RUN_PATIENCE: Patience = {
  retries: Number.POSITIVE_INFINITY,
  mostRetryAfterMs: MOST_RETRY_AFTER_MS,
  halts: true,
};

export interface CallerOptions {
  readonly agents: readonly Agent[];
  readonly journal: CallStore;
  readonly ledger: DebateLedger;
  readonly budget: Budget;
  readonly clock: Clock;
  /** Milliseconds since 1970, for the journal. */
  wallMs(): number;
  /** From 0 to 1: the part of a retry's delay that is added to it. */
  jitter(): number;
  /** After it no call begins; those that run are finished and journalled. */
  readonly signal: AbortSignal;
  /** After it no call begins either, and those that run are given up: their outcome is `cut`. */
  readonly giveUp?: AbortSignal;
  /** Default: that of a run. */
  readonly patience?: Patience;
  /** By agent, where several callers share its limits. */
  readonly limiters?: ReadonlyMap<string, CallLimiter>;
  /** Called before each attempt; it may abort the signals, and then the attempt is not made. */
  beforeAttempt?(agent: Agent, key: CallKey, attempt: number): void;
}

export type CallOutcome = { readonly line: CallLine; readonly reply: AgentReply } | FailedCall;

/** An agent failed for good, or its call was given up. */
export interface FailedCall {
  /** The last attempt; null if none was made. */
  readonly line: CallLine | null;
  readonly reply: null;
  readonly error: string;
  /** The HTTP status; null where none came. */
  readonly status: number | null;
  /** Given up before the agent had its time. */
  readonly cut: boolean;
}

/** One limiter for each agent. */
export function callLimiters(agents: readonly Agent[], clock: Clock): ReadonlyMap<string, CallLimiter> {
  return new Map(agents.map(({ name, limits }) => [name, new CallLimiter(limits, clock)]));
}

export class Caller {
  readonly #options: CallerOptions;
  readonly #patience: Patience;
  readonly #limiters: ReadonlyMap<string, CallLimiter>;
  readonly #failuresInARow = new Map<string, number>();
  readonly #halt = new AbortController();
  readonly #signal: AbortSignal;

  constructor(options: CallerOptions) {
    this.#options = options;
    this.#patience = options.patience ?? RUN_PATIENCE;
    this.#limiters = options.limiters ?? callLimiters(options.agents, options.clock);
    const { signal, giveUp } = options;
    this.#signal = AbortSignal.any([signal, this.#halt.signal, ...(giveUp === undefined ? [] : [giveUp])]);
    setMaxListeners(0, this.#signal); // one listener per waiting call
  }

  /** Why no further call begins; undefined while they do. */
  get halted(): unknown {
    return this.#signal.aborted ? this.#signal.reason : undefined;
  }

  /** No further call begins. The first reason counts. */
  halt(reason: unknown): void {
    this.#halt.abort(reason);
  }

  /**
   * The outcome of a call: from the journal, or made, and journalled.
   * @throws MagdiError MAGDI_BAD_CONFIG for a journal of other prompts, agents or questions; the reason of the halt
   */
  async call(agent: Agent, key: CallKey, messages: readonly Message[], seed: number): Promise<CallOutcome> {
    const { journal } = this.#options;
    const request = agent.request(messages, seed);
    const known = journal.outcome(key);
    if (known !== undefined) {
      if (JSON.stringify(known.request) !== JSON.stringify(request)) throw otherRequest(key);
      return outcomeOf(agent, known, false);
    }
    try {
      return await this.#made(agent, key, request, seed);
    } catch (error) {
      if (!this.#givenUp) throw error;
      return { line: null, reply: null, error: GIVEN_UP, status: null, cut: true };
    }
  }

  get #givenUp(): boolean {
    return this.#options.giveUp?.aborted ?? false;
  }

  async #made(agent: Agent, key: CallKey, request: object, seed: number): Promise<CallOutcome> {
    const { mostRetryAfterMs } = this.#patience;
    const limiter = this.#limiters.get(agent.name)!; // one for each agent
    if (limiter.pausedMs > mostRetryAfterMs) {
      const { message } = tooLong(agent, limiter.pausedMs);
      return { line: null, reply: null, error: message, status: null, cut: false };
    }
    for (let attempt = 0; ; attempt++) {
      const release = await limiter.acquire(this.#signal);
      const { line, failure } = await this.#attempt(agent, key, request, seed, attempt).finally(release);
      if (failure?.after === "stop" && this.#patience.halts) this.halt(stopping(agent, failure));
      this.#countFailures(agent, line, failure);
      const retryAfterMs = failure?.retryAfterMs ?? null;
      if (line.final) {
        if (retryAfterMs !== null && !this.#patience.halts) limiter.pause(retryAfterMs);
        return outcomeOf(agent, line, failure !== null && this.#givenUp);
      }
      if (retryAfterMs !== null && retryAfterMs > mostRetryAfterMs) this.halt(tooLong(agent, retryAfterMs));
      const leastMs = retryAfterMs ?? Math.min(FIRST_RETRY_MS * 2 ** attempt, MOST_RETRY_MS);
      const retryMs = Math.max(leastMs, 1) * (1 + this.#options.jitter());
      if (retryAfterMs !== null) limiter.pause(leastMs); // it holds for the agent's other calls too
      await delay(this.#options.clock, retryMs, this.#signal);
    }
  }

  #countFailures({ name }: Agent, { final }: CallLine, failure: AgentCallError | null): void {
    if (failure === null) this.#failuresInARow.set(name, 0);
    if (failure?.after !== "retry" || !final) return;
    const failures = (this.#failuresInARow.get(name) ?? 0) + 1;
    this.#failuresInARow.set(name, failures);
    if (failures < MOST_FAILURES_IN_A_ROW || !this.#patience.halts) return;
    const message = `agent ${name} failed in ${failures} calls in a row, the last time with: ${failure.message}`;
    this.halt(new MagdiError("MAGDI_UNSUPPORTED", message));
  }

  #isLast(agent: Agent, failure: AgentCallError, attempt: number): boolean {
    const { retries, mostRetryAfterMs, halts } = this.#patience;
    if (failure.after === "missing" || (failure.after === "stop" && !halts)) return true;
    if (failure.after === "stop") return false; // it is asked again when the run is continued
    if (!halts && (failure.retryAfterMs ?? 0) > mostRetryAfterMs) return true;
    return attempt >= Math.min(retries, agent.limits.retries);
  }

  /** One attempt, in the journal and the ledger when it returns. */
  async #attempt(
    agent: Agent,
    key: CallKey,
    request: object,
    seed: number,
    attempt: number,
  ): Promise<{ readonly line: CallLine; readonly failure: AgentCallError | null }> {
    const { journal, ledger, budget, clock } = this.#options;
    try {
      ledger.assertWithin(budget);
    } catch (error) {
      this.halt(error);
    }
    this.#options.beforeAttempt?.(agent, key, attempt);
    this.#signal.throwIfAborted();
    const started = new Date(this.#options.wallMs()).toISOString();
    const startMs = clock.nowMs();
    let response: unknown = null;
    let failure: AgentCallError | null = null;
    try {
      response = await this.#sendInTime(agent, request);
      agent.read(response);
    } catch (error) {
      if (!(error instanceof AgentCallError)) throw error;
      failure = error;
    }
    const usage = agent.usage(response);
    const line: CallLine = {
      ...key,
      attempt: journal.attempts(key),
      started,
      ms: Math.round(clock.nowMs() - startMs),
      seed,
      request,
      response,
      status: failure?.status ?? null,
      error: failure?.message ?? null,
      final: failure === null || this.#isLast(agent, failure, attempt),
      prompt_tokens: usage.promptTokens,
      completion_tokens: usage.completionTokens,
      usd: usdOfCall(agent, usage),
    };
    journal.add(line);
    ledger.add(line);
    return { line, failure };
  }

  async #sendInTime(agent: Agent, request: object): Promise<unknown> {
    const { timeoutMs } = agent.limits;
    const time = new AbortController();
    const cancel = this.#options.clock.setTimer(timeoutMs, () => {
      const message = `no whole answer came in ${timeoutMs / 1000} s (timeout_s)`;
      time.abort(new AgentCallError(message, { after: "retry" }));
    });
    const { giveUp } = this.#options;
    try {
      return await agent.send(
        request,
        giveUp === undefined ? time.signal : AbortSignal.any([time.signal, giveUp]),
      );
    } catch (error) {
      if (!this.#givenUp || error instanceof AgentCallError) throw error;
      throw new AgentCallError(GIVEN_UP, { after: "missing", cause: error });
    } finally {
      cancel();
    }
  }
}

const GIVEN_UP = "the call was given up";

function outcomeOf(agent: Agent, line: CallLine, cut: boolean): CallOutcome {
  const { error, status } = line;
  if (error === null) return { line, reply: agent.read(line.response) };
  return { line, reply: null, error, status, cut };
}

function usdOfCall({ prices }: Agent, { promptTokens, completionTokens }: CallUsage): number | null {
  if (promptTokens === null || completionTokens === null) return null;
  return usdOf(prices, promptTokens, completionTokens);
}

function otherRequest({ dataset, id, round, agent }: CallKey): MagdiError {
  return new MagdiError(
    "MAGDI_BAD_CONFIG",
    `the journal has another request to ${agent} for round ${round} of question ${id} (${dataset}): prompts, agents, seed or questions were others; take these again, start over with --fresh, or name another --out`,
  );
}

function stopping({ name }: Agent, { message }: AgentCallError): MagdiError {
  return new MagdiError(
    "MAGDI_BAD_CONFIG",
    `agent ${name}: ${message}; the next calls would fail too: check its address, model and key`,
  );
}

function tooLong({ name }: Agent, retryAfterMs: number): MagdiError {
  return new MagdiError(
    "MAGDI_RATE_LIMIT",
    `agent ${name} asks to be left alone for ${Math.round(retryAfterMs / 1000)} s`,
  );
}
