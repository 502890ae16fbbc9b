// The engine that callers hold: takes requests, runs the model step by step as the scheduler says, and minds time
// and failure. It knows nothing of HTTP, tasks or votes, and of the model only that it runs steps.

import { setImmediate as nextTurn } from "node:timers/promises";
import { type Clock, systemClock } from "../base/clock.ts";
import { MagdiError } from "../base/errors.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import { ActiveRequest, type RequestHooks } from "./active-request.ts";
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
import { checkRequest } from "./request-check.ts";
import { queueTimeout, Scheduler, type Step } from "./scheduler.ts";
import { Sequence, type SequenceContext } from "./sequence.ts";

export interface EngineOptions {
  readonly runner: ModelRunner;
  readonly tokenizer: Tokenizer;
  readonly eosTokenIds: ReadonlySet<number>;
  /** Bound of the waiting line, in samples. */
  readonly maxWaitingSamples?: number;
  /** At most maxWaitingSamples: a request that could never wait in the line is refused as such. */
  readonly maxSamplesPerRequest?: number;
  /** Bound of the keys and values that are kept for prompts with the same beginning; 0, the default, keeps none. */
  readonly prefixCacheTokens?: number;
  readonly clock?: Clock;
  /** A step longer than this makes the engine's state "stalled" until it returns. */
  readonly stallMs?: number;
  /** Called after each step, between steps: return quickly, never throw. */
  readonly onStep?: (report: StepReport) => void;
  /** Hears of exceptions of listeners and of onStep, which the loop survives; it must not throw itself. Default: a
   * process warning. */
  readonly onListenerError?: (error: unknown) => void;
}

/** With a runner that resolves at once, sockets are served after at most this many steps. */
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
  /** Functions that take back a live request's timers. */
  readonly #timers = new Map<ActiveRequest, (() => void)[]>();
  /** When the step in flight began. */
  #stepStartMs: number | null = null;
  #loop: Promise<void> | null = null;
  #failure: MagdiError | null = null;
  #closing: Promise<void> | null = null;

  constructor(options: EngineOptions) {
    const { runner, maxWaitingSamples = 256, maxSamplesPerRequest = 32 } = options;
    this.#runner = runner;
    this.#clock = options.clock ?? systemClock;
    this.#stallMs = options.stallMs ?? 30_000;
    this.#onStep = options.onStep ?? null;
    this.contextLength = runner.contextLength;
    this.maxSamplesPerRequest = Math.min(maxSamplesPerRequest, maxWaitingSamples);
    this.#prefixes = new PrefixCache(runner, options.prefixCacheTokens ?? 0);
    this.#scheduler = new Scheduler(runner, maxWaitingSamples, this.#prefixes);
    this.#sequences = { tokenizer: options.tokenizer, eosTokenIds: [...options.eosTokenIds] };
    this.#hooks = {
      nowMs: () => this.#clock.nowMs(),
      onSettled: (request) => this.#settled(request),
      onListenerError: options.onListenerError ?? warn,
    };
  }

  assertRoom(samples: number): void {
    this.#assertServing();
    this.#scheduler.assertRoom(samples);
  }

  submit(request: GenerationRequest, listener: GenerationListener = {}): Generation {
    this.#assertServing();
    const { vocabSize } = this.#runner;
    const { contextLength, maxSamplesPerRequest } = this;
    checkRequest(request, { contextLength, vocabSize, maxSamplesPerRequest });
    this.#scheduler.assertRoom(request.samples);

    const { sampling } = request;
    const promptTokens = Int32Array.from(request.promptTokens);
    const maxTokens = Math.min(sampling.maxTokens, contextLength - promptTokens.length);
    const context = { ...this.#sequences, continuesText: request.continuesText ?? false };
    const sequences: Sequence[] = [];
    for (let index = 0; index < request.samples; index++) {
      sequences.push(new Sequence(index, promptTokens.length, maxTokens, sampling, context));
    }
    const active = new ActiveRequest(request, promptTokens, sequences, listener, this.#hooks);
    // Who may not stand in line at all may still wait for the step that runs, unless that never ends.
    if (request.queueTimeoutMs === 0 && this.#scheduler.lineIsFree) active.waitLimitMs = this.#stallMs;
    this.#scheduler.enqueue(active);
    this.#setTimers(active);
    this.#loop ??= this.#run();
    return active;
  }

  stats(): EngineStats {
    const scheduler = this.#scheduler;
    return {
      state: this.#state(),
      requestsWaiting: scheduler.requestsWaiting,
      samplesWaiting: scheduler.samplesWaiting,
      requestsRunning: scheduler.requestsRunning,
      samplesRunning: scheduler.samplesRunning,
      kvCacheUsageRatio: scheduler.cacheUsage,
      prefixQueriedTokens: this.#prefixes.queriedTokens,
      prefixHitTokens: this.#prefixes.hitTokens,
    };
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    // By here `#closing` is not set yet: the first await lets submit see it before anybody is told.
    await null;
    for (const request of this.#scheduler.liveRequests()) request.cancel("shutdown");
    await this.#loop;
    this.#runner.close();
  }

  /** Runs steps while there is work; submit starts it again. */
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
        this.#scheduler.complete(step, output);
        this.#report(step, elapsedMs);
        if (++stepsThisTurn >= STEPS_PER_TURN) {
          stepsThisTurn = 0;
          await nextTurn();
        }
      }
    } catch (error) {
      this.#fail(error);
    }
    // No await since next() found nothing to do: whoever submits from now on finds no loop and starts one.
    this.#stepStartMs = null;
    this.#loop = null;
  }

  #runStep(step: Step): Promise<StepOutput> {
    if (step.phase === "decode") {
      return this.#runner.decode(step.rows, step.tokens, step.pasts, step.wantLogits);
    }
    return this.#runner.prefill(step.tokens, step.pasts[0]!, step.wantLogits);
  }

  #report(step: Step, elapsedMs: number): void {
    if (this.#onStep === null) return;
    const { phase, rows } = step;
    const tokens = phase === "prefill" ? step.tokens.length : rows;
    try {
      this.#onStep({ phase, rows, tokens, seconds: elapsedMs / 1000 });
    } catch (error) {
      this.#hooks.onListenerError(error);
    }
  }

  /** A failed step leaves the cache in an unknown state: nobody can go on. */
  #fail(cause: unknown): void {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const message = `a step of the model failed (${reason}): the engine serves no more; restart the process`;
    this.#failure = new MagdiError("MAGDI_ENGINE_FAILED", message, { cause });
    for (const request of this.#scheduler.liveRequests()) request.fail(this.#failure);
    this.#scheduler.next(this.#clock.nowMs()); // lets go of the ended: no row moves when all have
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

  /** Timers end a request on time even while a long step runs. */
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
    for (const takeBack of this.#timers.get(request) ?? []) takeBack();
    this.#timers.delete(request);
    this.#scheduler.settled(request);
  }
}

function warn(error: unknown): void {
  process.emitWarning(error instanceof Error ? error : String(error));
}
