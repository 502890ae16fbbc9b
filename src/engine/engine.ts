// The engine: takes requests, runs the steps that the scheduler decides on, and handles timeouts and failures.

import { setImmediate as nextTurn } from "node:timers/promises";
import { type Clock, systemClock } from "../base/clock.ts";
import { MagdiError } from "../base/errors.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import { ActiveRequest, type RequestHooks } from "./active-request.ts";
import { type EngineCaller, ONE_CALLER } from "./fair-shares.ts";
import type { ModelRunner, StepOutput } from "./model-runner.ts";
import { PrefixCache } from "./prefix-cache.ts";
import type {
  EngineStats,
  Generation,
  GenerationEngine,
  GenerationListener,
  GenerationRequest,
  StepReport,
} from "./request.ts";
import { checkRequest } from "./request.ts";
import type { RowBudget } from "./row-memory.ts";
import { queueTimeout, Scheduler, type Step } from "./scheduler.ts";
import { Sequence, type SequenceContext } from "./sequence.ts";

export interface EngineOptions {
  readonly runner: ModelRunner;
  readonly tokenizer: Tokenizer;
  readonly eosTokenIds: ReadonlySet<number>;
  /** Size of the waiting queue, in samples. */
  readonly maxWaitingSamples?: number;
  /** At most maxWaitingSamples: a request of more could never enter the queue. */
  readonly maxSamplesPerRequest?: number;
  /** Capacity of the prefix cache; 0, the default, turns it off. */
  readonly prefixCacheTokens?: number;
  /** Null, the default: there is memory for all rows. */
  readonly rowBudget?: RowBudget | null;
  /** See SchedulerOptions. Default true. */
  readonly speculation?: boolean;
  readonly clock?: Clock;
  /** A step longer than this makes the engine's state "stalled" until it returns. */
  readonly stallMs?: number;
  /** Called after each step, between steps: return quickly, never throw. */
  readonly onStep?: (report: StepReport) => void;
  /** Called with what listeners and onStep throw; must not throw itself. Default: a process warning. */
  readonly onListenerError?: (error: unknown) => void;
}

/** Steps before the event loop gets a turn, for a runner whose promises resolve at once. */
const STEPS_PER_TURN = 4;

/** @example const engine = new Engine({ runner, tokenizer, eosTokenIds: new Set([2]) }); */
export class Engine implements GenerationEngine {
  readonly contextLength: number;
  readonly maxSamplesPerRequest: number;
  readonly #runner: ModelRunner;
  readonly #prefixes: PrefixCache;
  readonly #scheduler: Scheduler;
  readonly #sequences: SequenceContext;
  readonly #clock: Clock;
  readonly #stallMs: number;
  readonly #onStep: ((report: StepReport) => void) | null;
  readonly #hooks: RequestHooks;
  /** Functions that clear a live request's timers. */
  readonly #timers = new Map<ActiveRequest, (() => void)[]>();
  /** When the step in flight began. */
  #stepStartMs: number | null = null;
  #loop: Promise<void> | null = null;
  #failure: MagdiError | null = null;
  #closing: Promise<void> | null = null;
  readonly #closed = new AbortController();

  constructor(options: EngineOptions) {
    const { runner, maxWaitingSamples = 256, maxSamplesPerRequest = 32 } = options;
    this.#runner = runner;
    this.#clock = options.clock ?? systemClock;
    this.#stallMs = options.stallMs ?? 30_000;
    this.#onStep = options.onStep ?? null;
    this.contextLength = runner.contextLength;
    this.maxSamplesPerRequest = Math.min(maxSamplesPerRequest, maxWaitingSamples);
    this.#prefixes = new PrefixCache(runner, options.prefixCacheTokens ?? 0);
    const { rowBudget = null, speculation = true } = options;
    this.#scheduler = new Scheduler(runner, maxWaitingSamples, this.#prefixes, { rowBudget, speculation });
    this.#sequences = { tokenizer: options.tokenizer, eosTokenIds: [...options.eosTokenIds] };
    this.#hooks = {
      nowMs: () => this.#clock.nowMs(),
      onSettled: (request) => this.#settled(request),
      onStart: () => {
        this.#loop ??= this.#run();
      },
      onListenerError: options.onListenerError ?? warn,
    };
  }

  assertRoom(samples: number, caller: EngineCaller = ONE_CALLER): void {
    this.#assertServing();
    this.#scheduler.assertRoom(samples, caller);
  }

  submit(request: GenerationRequest, listener: GenerationListener = {}): Generation {
    this.#assertServing();
    const { vocabSize } = this.#runner;
    const { contextLength, maxSamplesPerRequest } = this;
    const { tokenText } = this.#sequences.tokenizer;
    checkRequest(request, { contextLength, vocabSize, maxSamplesPerRequest, tokenText });
    this.#scheduler.assertRoom(request.samples, request.caller ?? ONE_CALLER);

    const { sampling } = request;
    const promptTokens = Int32Array.from(request.promptTokens);
    const maxTokens = Math.min(sampling.maxTokens, contextLength - promptTokens.length);
    const context = { ...this.#sequences, continuesText: request.continuesText ?? false };
    const sequences: Sequence[] = [];
    for (let index = 0; index < request.samples; index++) {
      sequences.push(new Sequence(index, promptTokens.length, maxTokens, sampling, context));
    }
    const active = new ActiveRequest(request, promptTokens, sequences, listener, this.#hooks);
    this.#scheduler.enqueue(active);
    // A queue timeout of 0 means not to wait for other requests; the running step has to end all the same.
    if (request.queueTimeoutMs === 0 && this.#scheduler.isNext(active)) active.waitLimitMs = this.#stallMs;
    this.#setTimers(active);
    this.#loop ??= this.#run();
    return active;
  }

  stats(): EngineStats {
    return {
      state: this.#state(),
      ...this.#scheduler.stats(),
      prefixQueriedTokens: this.#prefixes.queriedTokens,
      prefixHitTokens: this.#prefixes.hitTokens,
    };
  }

  /** Aborts when the engine closes. */
  get closed(): AbortSignal {
    return this.#closed.signal;
  }

  /** Ends all requests with `failure` and takes no more. */
  fail(failure: MagdiError): void {
    this.#failure ??= failure;
    for (const request of this.#scheduler.liveRequests()) request.fail(this.#failure);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    this.#closed.abort();
    return this.#closing;
  }

  async #close(): Promise<void> {
    // `#closing` is set when this first await returns, so that submit refuses before listeners are called.
    await null;
    for (const request of this.#scheduler.liveRequests()) request.cancel("shutdown");
    await this.#loop;
    this.#runner.close();
  }

  /** Runs steps while there is work; submit, and samples that start later, start it anew. */
  async #run(): Promise<void> {
    await null; // so that no listener is called from within submit
    let stepsThisTurn = 0;
    try {
      for (;;) {
        const startMs = this.#clock.nowMs();
        const step = this.#scheduler.next(startMs);
        if (step === null) break;
        this.#stepStartMs = startMs;
        const output = await this.#runStep(step);
        this.#stepStartMs = null;
        const elapsedMs = this.#clock.nowMs() - startMs;
        this.#scheduler.complete(step, output, elapsedMs);
        this.#report(step, elapsedMs);
        if (++stepsThisTurn >= STEPS_PER_TURN) {
          stepsThisTurn = 0;
          await nextTurn();
        }
      }
    } catch (error) {
      this.#fail(error);
    }
    // No await since next() returned null, so that a request submitted from now on starts a new loop.
    this.#stepStartMs = null;
    this.#loop = null;
  }

  #runStep(step: Step): Promise<StepOutput> {
    if (step.phase === "decode") {
      const { rows, tokens, pastLengths, wantLogits, positions } = step;
      return this.#runner.decode(rows, tokens, pastLengths, wantLogits, positions);
    }
    return this.#runner.prefill(step.tokens, step.pastLengths[0]!, step.wantLogits);
  }

  #report(step: Step, elapsedMs: number): void {
    if (this.#onStep === null) return;
    const { phase, rows } = step;
    const tokens = phase === "prefill" ? step.tokens.length : rows * step.positions;
    try {
      this.#onStep({ phase, rows, tokens, seconds: elapsedMs / 1000 });
    } catch (error) {
      this.#hooks.onListenerError(error);
    }
  }

  /** A failed step leaves the KV cache in an unknown state: all requests fail. */
  #fail(cause: unknown): void {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const message = `a step of the model failed (${reason}): the engine has stopped; restart the process`;
    this.fail(new MagdiError("MAGDI_ENGINE_FAILED", message, { cause }));
    this.#scheduler.next(this.#clock.nowMs()); // drops the requests; no row is copied when all have ended
  }

  #assertServing(): void {
    if (this.#closing !== null) {
      throw new MagdiError("MAGDI_SHUTTING_DOWN", "the engine is closing and takes no new requests");
    }
    if (this.#failure !== null) throw this.#failure;
  }

  #state(): EngineStats["state"] {
    if (this.#closing !== null) return "closed";
    if (this.#failure !== null) return "failed";
    const startMs = this.#stepStartMs;
    return startMs !== null && this.#clock.nowMs() - startMs > this.#stallMs ? "stalled" : "ready";
  }

  /** Timers, because a request must end on time even during a long step. */
  #setTimers(active: ActiveRequest): void {
    const { timeoutMs } = active.request;
    const timers: (() => void)[] = [];
    if (active.waitLimitMs < timeoutMs) {
      timers.push(
        this.#clock.setTimer(active.waitLimitMs, () => {
          if (active.waiting) active.fail(queueTimeout(active));
        }),
      );
    }
    if (timeoutMs < Number.POSITIVE_INFINITY) {
      timers.push(this.#clock.setTimer(timeoutMs, () => active.cancel("deadline")));
    }
    this.#timers.set(active, timers);
  }

  #settled(request: ActiveRequest): void {
    for (const clear of this.#timers.get(request) ?? []) clear();
    this.#timers.delete(request);
    this.#scheduler.settled(request);
  }
}

function warn(error: unknown): void {
  process.emitWarning(error instanceof Error ? error : String(error));
}
