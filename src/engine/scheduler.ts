// Continuous batching: decides each step of the model and gives its output to the requests. A state machine without
// promises or timers: the engine runs the steps and passes the time in.

import { MagdiError } from "../base/errors.ts";
import type { ActiveRequest } from "./active-request.ts";
import type { Draft } from "./draft-lookup.ts";
import { type EngineCaller, FairShares } from "./fair-shares.ts";
import type { ModelRunner, StepOutput } from "./model-runner.ts";
import { PrefillPace } from "./prefill-pace.ts";
import type { PrefixCache } from "./prefix-cache.ts";
import { PromptRow } from "./prompt-row.ts";
import type { EngineStats } from "./request.ts";
import type { RowBudget } from "./row-memory.ts";
import { RunningBatch } from "./running-batch.ts";
import { needsFullLogits, Sampler } from "./sampler.ts";
import type { Sequence } from "./sequence.ts";
import { MOST_DRAFTED, Speculation } from "./speculation.ts";
import { Turns } from "./turns.ts";
import { madeRoom, WaitingQueue } from "./waiting-queue.ts";

type SchedulerStats = Omit<EngineStats, "state" | "prefixQueriedTokens" | "prefixHitTokens">;

export interface Step {
  readonly phase: "prefill" | "decode";
  /** Rows of the step; 1 in prefill. */
  readonly rows: number;
  /** Of each row in a decode step: its next token, and, if it is alone, drafted ones that are checked. 1 in prefill. */
  readonly positions: number;
  /** Prefill: the chunk's tokens [S]. Decode: [rows, positions], and maybe more that are not valid. */
  readonly tokens: Int32Array;
  /** Tokens that each row holds already [maxRows], of which `rows` are valid. */
  readonly pastLengths: Int32Array;
  readonly wantLogits: boolean;
}

export interface SchedulerOptions {
  /** Null, the default: there is memory for all rows. */
  readonly rowBudget?: RowBudget | null;
  /** Whether drafts are checked where the model can and it pays. Default false. */
  readonly speculation?: boolean;
}

/**
 * One prompt at a time is prefilled in the prompt row, a chunk after each decode step. Then its samples are forked
 * into free decode rows; until the last one has a row, the prompt row stays occupied. Samples that start later have the prompt
 * wait for its row again, and what the prefix cache lacks of it computed anew.
 *
 * Callers share the model fairly (turns.ts). One that has less than its share of rows takes them from those that
 * have more, and need not wait for a prompt row that another's long prompt or rowless samples occupy. What they give back
 * is computed anew, to the same bits, so that no answer depends on who else asks. So is what samples give back where memory
 * is too little for all of them to go on.
 */
export class Scheduler {
  readonly #model: ModelRunner;
  readonly #promptRow: PromptRow;
  readonly #prefixes: PrefixCache;
  readonly #pace = new PrefillPace();
  readonly #sampler: Sampler;
  readonly #queue: WaitingQueue;
  readonly #batch: RunningBatch;
  readonly #shares: FairShares;
  readonly #turns: Turns;
  /** Of the prompt row and the decode rows together. */
  readonly #mostCachedTokens: number;
  /** Requests whose prefill has begun, in order. */
  #running: ActiveRequest[] = [];
  #lastPhase: "prefill" | "decode" = "decode";
  #preemptions = 0;
  #recomputedTokens = 0;
  readonly #tokens: Int32Array;
  readonly #pastLengths: Int32Array;
  readonly #promptPastLength = new Int32Array(1);
  /** Null where no drafts are checked. */
  readonly #speculation: Speculation | null;
  /** What the last decode step checked: at least as many tokens as were checked. */
  #draft: Draft | null = null;

  constructor(
    model: ModelRunner,
    maxWaitingSamples: number,
    prefixes: PrefixCache,
    { rowBudget = null, speculation = false }: SchedulerOptions = {},
  ) {
    this.#model = model;
    this.#speculation = speculation && model.checksDrafts ? new Speculation() : null;
    this.#promptRow = new PromptRow(model, prefixes);
    this.#prefixes = prefixes;
    this.#sampler = new Sampler(model.vocabSize, model.candidateCount);
    this.#queue = new WaitingQueue(maxWaitingSamples);
    this.#batch = new RunningBatch(model, rowBudget);
    this.#shares = new FairShares(model.maxRows);
    this.#turns = new Turns(this.#queue, this.#batch, this.#shares);
    this.#mostCachedTokens = model.contextLength + (rowBudget?.tokens ?? model.maxRows * model.contextLength);
    this.#tokens = new Int32Array(Math.max(model.maxRows, 1 + MOST_DRAFTED));
    this.#pastLengths = new Int32Array(model.maxRows);
  }

  /** Throws MAGDI_QUEUE_FULL when `samples` more of the caller's do not fit. */
  assertRoom(samples: number, caller: EngineCaller): void {
    this.#queue.leaversFor(samples, caller);
  }

  /** Others' requests fail where the queue has to make room. */
  enqueue(request: ActiveRequest): void {
    for (const leaver of this.#queue.leaversFor(request.liveSamples, request.caller)) {
      leaver.fail(madeRoom(leaver));
    }
    this.#shares.enter(request.caller);
    request.leastPrefillTokens = this.#leastPrefillTokens(request);
    this.#queue.push(request);
  }

  /** Whether a waiting request is prefilled next, without waiting for others. */
  isNext(request: ActiveRequest): boolean {
    const next =
      this.#promptRow.request === null ? this.#turns.first() : this.#turns.rivalOf(this.#promptRow);
    return next === request;
  }

  /** Must be called when a request has ended: a waiting one leaves the queue at once. */
  settled(request: ActiveRequest): void {
    this.#queue.remove(request);
    this.#shares.leave(request.caller.name);
  }

  /** Every request that has not ended, in order. */
  liveRequests(): ActiveRequest[] {
    return [...this.#running, ...this.#queue.requests].filter((request) => !request.settled);
  }

  /** The next step, or null when there is nothing to do. Compacts the batch and forks samples first. */
  next(nowMs: number): Step | null {
    this.#expire(nowMs);
    this.#batch.compact();
    this.#turns.countRows();
    this.#growRows();
    this.#admitSamples();
    this.#forkSamples();
    this.#yieldPromptRow();
    if (this.#promptRow.request === null) this.#startNext(nowMs);
    this.#refuseHopeless(nowMs);
    this.#dropEnded();

    const { request: prompt, left } = this.#promptRow;
    if (prompt !== null && left > 0 && (this.#batch.count === 0 || this.#lastPhase === "decode")) {
      return this.#prefillStep(prompt);
    }
    return this.#batch.count > 0 ? this.#decodeStep() : null;
  }

  /** Applies the output of the step that next() gave last. */
  complete(step: Step, output: StepOutput, elapsedMs: number): void {
    this.#sampler.begin(output);
    if (step.phase === "prefill") this.#pace.add(elapsedMs, step.tokens.length);
    else if (this.#promptRow.left > 0) this.#pace.add(elapsedMs, 0);
    if (step.phase === "decode") {
      if (step.rows === 1) this.#speculation?.addStep(step.positions - 1, elapsedMs);
      // By request and sample, not by row: the order of events does not depend on which row a sample has.
      for (const request of this.#running) {
        for (const sequence of request.sequences) {
          if (sequence.row >= 0 && !sequence.ended) this.#advance(request, sequence, step.positions);
        }
      }
      return;
    }
    const { request: prompt, left } = this.#promptRow;
    if (prompt === null) return;
    this.#shares.charge(prompt.caller.name, step.tokens.length);
    this.#promptRow.keep(prompt, step.pastLengths[0]!, step.tokens.length);
    if (prompt.settled || left > 0) return;
    prompt.prefillEnded();
    // All first tokens at once: the output is valid until the next step only, and a sample that ends here needs no row.
    for (const sequence of prompt.sequences) {
      if (prompt.awaitsFirstToken(sequence)) this.#sample(prompt, sequence, 0);
    }
  }

  stats(): SchedulerStats {
    const cachedTokens = this.#batch.cachedTokens() + this.#promptRow.tokens;
    return {
      requestsWaiting: this.#queue.requests.length,
      samplesWaiting: this.#queue.samples,
      requestsRunning: this.#running.filter((request) => !request.settled).length,
      samplesRunning: this.#running.reduce((samples, request) => samples + request.runningSamples, 0),
      kvCacheUsageRatio: cachedTokens / this.#mostCachedTokens,
      preemptions: this.#preemptions,
      recomputedTokens: this.#recomputedTokens,
      draftedTokens: this.#speculation?.draftedTokens ?? 0,
      acceptedDraftTokens: this.#speculation?.acceptedTokens ?? 0,
    };
  }

  /** Cancels requests past their deadline, in case their timer is late. */
  #expire(nowMs: number): void {
    for (const request of this.#running) {
      if (nowMs - request.submittedMs >= request.request.timeoutMs) request.cancel("deadline");
    }
  }

  #startNext(nowMs: number): void {
    for (let request = this.#turns.first(); request !== null; request = this.#turns.first()) {
      this.#queue.remove(request);
      if (request.waiting && !this.#begin(request, nowMs)) continue;
      this.#promptRow.take(request);
      return;
    }
  }

  /** False for a request that has waited too long, or was cancelled by its listener. */
  #begin(request: ActiveRequest, nowMs: number): boolean {
    const waitedMs = nowMs - request.submittedMs;
    if (waitedMs >= request.request.timeoutMs) request.cancel("deadline");
    else if (waitedMs > request.waitLimitMs) request.fail(queueTimeout(request));
    else {
      this.#running.push(request);
      request.prefillStarted();
    }
    return !request.settled;
  }

  /**
   * Fails requests that cannot begin in time: even if only the prompts before them in their own caller's line were computed,
   * as fast as lately, and no row had to be waited for.
   */
  #refuseHopeless(nowMs: number): void {
    const { request: prompt, left } = this.#promptRow;
    for (const [name, line] of this.#queue.waitingByCaller()) {
      let ahead = prompt?.caller.name === name ? left : 0;
      for (const request of line) {
        const leastMs = this.#pace.leastMs(ahead);
        const waitMs = nowMs - request.submittedMs + leastMs;
        if (leastMs > 0 && waitMs > request.waitLimitMs) request.fail(waitsInVain(request, waitMs));
        else ahead += request.leastPrefillTokens;
      }
    }
  }

  /** Prompt tokens that cannot come out of the prefix cache, which may come to hold what others in line have. */
  #leastPrefillTokens({ promptTokens, request }: ActiveRequest): number {
    const { capacityTokens } = this.#prefixes;
    if (capacityTokens === 0) return promptTokens.length;
    const scope = request.prefixScope ?? "";
    let known = this.#prefixes.knownTokens(scope, promptTokens);
    for (const other of [...this.#running, ...this.#queue.requests]) {
      if ((other.request.prefixScope ?? "") !== scope) continue;
      known = Math.max(known, commonTokens(other.promptTokens, promptTokens, capacityTokens));
    }
    return promptTokens.length - Math.min(known, capacityTokens);
  }

  #yieldPromptRow(): void {
    const prompt = this.#promptRow.request;
    if (prompt === null || this.#turns.rivalOf(this.#promptRow) === null) return;
    this.#queue.putBack(prompt);
    this.#promptRow.release();
  }

  /** Has requests of which more samples start wait for the prompt row again, unless they are there. */
  #admitSamples(): void {
    for (const request of this.#running) {
      if (request.admit() && request !== this.#promptRow.request) this.#queue.putBack(request);
    }
  }

  /** Gives rows to the prompt's samples; frees the prompt row when each has one, also for those that started too late to get
   * their first token: the prompt's end is computed again for them. */
  #forkSamples(): void {
    const { request: prompt, left } = this.#promptRow;
    if (prompt === null) return;
    if (!prompt.settled) {
      if (left > 0) return;
      for (const sequence of prompt.sequences) {
        if (sequence.ended || sequence.row >= 0 || !sequence.hasTokens) continue;
        if (!this.#turns.canTakeRow(prompt.caller.name)) return;
        if (!this.#makeRoom(prompt, sequence)) return;
        this.#batch.fork(prompt, sequence);
        this.#shares.addRows(prompt.caller.name, 1);
      }
      if (prompt.awaitsFirstTokens) this.#queue.putBack(prompt);
    }
    this.#promptRow.release();
  }

  /** Takes rows from callers above their share until the sequence has room, if its own caller is owed one; their requests
   * wait for the prompt row again. Returns whether there is room. */
  #makeRoom(prompt: ActiveRequest, sequence: Sequence): boolean {
    while (!this.#batch.hasRoomFor(sequence)) {
      // Where memory is what lacks, there are no more rows than are in use.
      this.#shares.limitRows(this.#batch.count);
      const row = this.#shares.rowsOwed(prompt.caller.name) > 0 ? this.#turns.victimRow() : -1;
      if (row < 0) return false;
      this.#preempt(row);
    }
    return true;
  }

  /** Gives each row memory for its next token, taking rows from others where there is too little for all. */
  #growRows(): void {
    for (let row = 0; row < this.#batch.count; ) {
      if (this.#batch.grow(row)) row++;
      else {
        this.#preempt(this.#turns.growthVictimRow(this.#running));
        row = 0;
      }
    }
  }

  /** Takes a row from its sample; its request waits for the prompt row again, unless it is there. */
  #preempt(row: number): void {
    const victim = this.#batch.requestAt(row);
    this.#batch.evict(row);
    this.#shares.addRows(victim.caller.name, -1);
    if (victim !== this.#promptRow.request) this.#queue.putBack(victim);
    this.#preemptions++;
  }

  #dropEnded(): void {
    this.#running = this.#running.filter((request) => !request.settled);
  }

  #prefillStep(prompt: ActiveRequest): Step {
    const { tokens, past, isLast, anew } = this.#promptRow.nextChunk(prompt);
    this.#lastPhase = "prefill";
    this.#promptPastLength[0] = past;
    this.#recomputedTokens += anew;
    const gives = (sequence: Sequence) => prompt.awaitsFirstToken(sequence) && this.#wantsLogits(sequence);
    const wantLogits = isLast && prompt.sequences.some(gives);
    return {
      phase: "prefill",
      rows: 1,
      positions: 1,
      tokens,
      pastLengths: this.#promptPastLength,
      wantLogits,
    };
  }

  #decodeStep(): Step {
    this.#lastPhase = "decode";
    let wantLogits = false;
    for (let row = 0; row < this.#batch.count; row++) {
      const sequence = this.#batch.at(row);
      this.#tokens[row] = sequence.nextInputId;
      this.#pastLengths[row] = sequence.cachedTokens;
      wantLogits ||= sequence.givesNewToken && this.#wantsLogits(sequence);
    }
    const drafted = wantLogits ? [] : this.#draftedTokens();
    this.#tokens.set(drafted, 1);
    return {
      phase: "decode",
      rows: this.#batch.count,
      positions: 1 + drafted.length,
      tokens: this.#tokens,
      pastLengths: this.#pastLengths,
      wantLogits,
    };
  }

  #wantsLogits(sequence: Sequence): boolean {
    const masked = sequence.maskedTokenIds.length;
    return !sequence.ended && needsFullLogits(sequence.sampling, this.#model.candidateCount, masked);
  }

  /** What the next step checks of a lone row's draft. Rows beside each other are not drafted for: how far each is when a vote
   * is decided would depend on times. */
  #draftedTokens(): readonly number[] {
    this.#draft = null;
    if (this.#speculation === null || this.#batch.count !== 1) return [];
    const sequence = this.#batch.at(0);
    const most = Math.min(MOST_DRAFTED, this.#batch.roomOf(0) - 1);
    const { promptTokens } = this.#batch.requestAt(0);
    this.#draft = sequence.givesNewToken ? sequence.draft(promptTokens, most) : null;
    return this.#draft?.tokens.slice(0, this.#speculation.choose(this.#draft)) ?? [];
  }

  /** Takes the output of the sequence's row: its next token, and those after drafted ones that were right; none where the
   * next token is known and only its past was computed. */
  #advance(request: ActiveRequest, sequence: Sequence, positions: number): void {
    const { row, givesNewToken } = sequence;
    const draft = positions > 1 ? this.#draft : null;
    for (let at = 0; ; at++) {
      this.#shares.charge(request.caller.name, 1);
      sequence.inputComputed();
      if (givesNewToken) this.#sample(request, sequence, row + at);
      else this.#recomputedTokens++;
      const right = at < positions - 1 && draft?.tokens[at] === sequence.nextInputId;
      if (right && !sequence.ended) continue;
      if (draft !== null) this.#speculation?.addDraft(draft, positions - 1, at + Number(right));
      return;
    }
  }

  /** Samples the sequence's next token from output row `row`. */
  #sample(request: ActiveRequest, sequence: Sequence, row: number): void {
    const { sampling } = sequence;
    try {
      const tokenId = this.#sampler.pick(row, sampling, sequence.maskedTokenIds, sequence.random);
      const logprob = this.#sampler.logprob(row, tokenId);
      const top = sampling.topLogprobs === null ? null : this.#sampler.topLogprobs(row, sampling.topLogprobs);
      request.accept(sequence, tokenId, logprob, top);
    } catch (error) {
      // Broken numbers in one request's row do not end the others.
      if (!(error instanceof MagdiError)) throw error;
      request.fail(error);
    }
  }
}

/** How many tokens two prompts begin with in common, as far as `most`. */
function commonTokens(a: Int32Array, b: Int32Array, most: number): number {
  const end = Math.min(a.length, b.length, most);
  let length = 0;
  while (length < end && a[length] === b[length]) length++;
  return length;
}

/** The error of a request that is told so before it has waited too long. */
function waitsInVain(request: ActiveRequest, waitMs: number): MagdiError {
  const { queueTimeoutMs } = request.request;
  const seconds = Math.ceil((waitMs - request.waitLimitMs) / 1000);
  return new MagdiError(
    "MAGDI_QUEUE_TIMEOUT",
    `request ${request.id} would wait at least ${Math.round(waitMs)} ms before its prefill could begin, longer than the limit of ${queueTimeoutMs} ms; try again in ${seconds} s`,
    { details: { queue_timeout_ms: queueTimeoutMs, retry_after_seconds: seconds } },
  );
}

/** The error of a request that waited too long. */
export function queueTimeout(request: ActiveRequest): MagdiError {
  const limitMs = request.request.queueTimeoutMs;
  return new MagdiError(
    "MAGDI_QUEUE_TIMEOUT",
    `request ${request.id} waited longer than ${limitMs} ms before its prefill could begin; try again later`,
    { details: { queue_timeout_ms: limitMs } },
  );
}
