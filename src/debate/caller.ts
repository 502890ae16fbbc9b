// Makes the calls of a run: within each agent's limits and the budget, journalled, retried, and never one twice.

import { setMaxListeners } from "node:events";
import { type Clock, delay } from "../base/clock.ts";
import { MagdiError } from "../base/errors.ts";
import type { Message } from "../text/chat-prompt.ts";
import { type Agent, AgentCallError, type AgentReply, type CallUsage } from "./agent.ts";
import type { CallJournal, CallKey, CallLine } from "./call-journal.ts";
import { CallLimiter } from "./call-limiter.ts";
import { type Budget, type DebateLedger, usdOf } from "./debate-ledger.ts";

const FIRST_RETRY_MS = 1000;
const MOST_RETRY_MS = 60_000;
/** An agent that asks to be left alone for longer ends the run, which can be continued then. */
const MOST_RETRY_AFTER_MS = 600_000;
/** Of one agent, each after all its retries: it is away, and the debates would all lack it. */
const MOST_FAILURES_IN_A_ROW = 10;

export interface CallerOptions {
  readonly agents: readonly Agent[];
  readonly journal: CallJournal;
  readonly ledger: DebateLedger;
  readonly budget: Budget;
  readonly clock: Clock;
  /** Milliseconds since 1970, for the journal. */
  wallMs(): number;
  /** From 0 to 1: the part of a retry's delay that is added to it. */
  jitter(): number;
  /** After it no call begins; those that run are finished and journalled. */
  readonly signal: AbortSignal;
}

export interface CallOutcome {
  readonly line: CallLine;
  /** Null for an agent that failed for good. */
  readonly reply: AgentReply | null;
}

export class Caller {
  readonly #options: CallerOptions;
  readonly #limiters: ReadonlyMap<string, CallLimiter>;
  readonly #failuresInARow = new Map<string, number>();
  readonly #halt = new AbortController();
  readonly #signal: AbortSignal;

  constructor(options: CallerOptions) {
    this.#options = options;
    this.#limiters = new Map(
      options.agents.map(({ name, limits }) => [name, new CallLimiter(limits, options.clock)]),
    );
    this.#signal = AbortSignal.any([options.signal, this.#halt.signal]);
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
      return outcomeOf(agent, known);
    }
    const limiter = this.#limiters.get(agent.name)!; // one for each agent
    for (let attempt = 0; ; attempt++) {
      const release = await limiter.acquire(this.#signal);
      const { line, failure } = await this.#attempt(agent, key, request, seed, attempt).finally(release);
      if (failure?.after === "stop") this.halt(stopping(agent, failure));
      this.#countFailures(agent, line, failure);
      if (line.final) return outcomeOf(agent, line);
      const retryAfterMs = failure?.retryAfterMs ?? null;
      if (retryAfterMs !== null && retryAfterMs > MOST_RETRY_AFTER_MS)
        this.halt(tooLong(agent, retryAfterMs));
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
    if (failures < MOST_FAILURES_IN_A_ROW) return;
    const message = `agent ${name} failed in ${failures} calls in a row, the last time with: ${failure.message}`;
    this.halt(new MagdiError("MAGDI_UNSUPPORTED", message));
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
    const isLast =
      failure?.after === "missing" || (failure?.after === "retry" && attempt >= agent.limits.retries);
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
      final: failure === null || isLast,
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
    try {
      return await agent.send(request, time.signal);
    } finally {
      cancel();
    }
  }
}

function outcomeOf(agent: Agent, line: CallLine): CallOutcome {
  return { line, reply: line.error === null ? agent.read(line.response) : null };
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
