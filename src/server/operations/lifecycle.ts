// The server's lifecycle: loading, ready, draining. It tracks active requests, which a drain waits for, and running
// generations, which a shutdown cancels. No HTTP here.
import type { Clock } from "../../base/clock.ts";
import { MagdiError } from "../../base/errors.ts";
import type { CancelReason } from "../../base/finish-reason.ts";
import type { ServedStudent } from "../served-student.ts";

export type Readiness = "ready" | "loading" | "shutting_down" | "engine_stalled" | "engine_failed";

/** How long clients get to read the rest of their answers after a drain has cancelled the generations. */
const FINAL_READ_MS = 2000;

/** What a shutdown cancels. */
interface Running {
  readonly done: Promise<unknown>;
  cancel(reason: CancelReason): void;
}

export class Lifecycle {
  readonly #clock: Clock;
  readonly #generations = new Set<Running>();
  readonly #idleWaiters = new Set<() => void>();
  #student: ServedStudent | null = null;
  #filesAltered = false;
  #active = 0;
  #draining = false;
  #aborting = false;
  #gaveUp = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  studentLoaded(student: ServedStudent): void {
    this.#student = student;
    student.filesChecked?.catch(() => {
      this.#filesAltered = true;
    });
  }

  /** The student's files are not those of its manifest, and its engine has failed for that. */
  get filesAltered(): boolean {
    return this.#filesAltered;
  }

  /** Null while the student loads. */
  get student(): ServedStudent | null {
    return this.#student;
  }

  get draining(): boolean {
    return this.#draining;
  }

  /** Requests that were entered and not left. */
  get active(): number {
    return this.#active;
  }

  readiness(): Readiness {
    if (this.#draining) return "shutting_down";
    if (this.#student === null) return "loading";
    const { state } = this.#student.engine.stats();
    if (state === "ready") return "ready";
    return state === "stalled" ? "engine_stalled" : state === "failed" ? "engine_failed" : "shutting_down";
  }

  /** False if the process needs a restart. With altered files it would serve them again for a while. */
  get alive(): boolean {
    if (this.#filesAltered) return true;
    const state = this.#student?.engine.stats().state;
    return state !== "failed" && state !== "stalled";
  }

  /** @throws MagdiError MAGDI_MODEL_LOADING */
  requireLoaded(): ServedStudent {
    if (this.#student !== null) return this.#student;
    throw new MagdiError("MAGDI_MODEL_LOADING", "the model is still loading; retry in a moment");
  }

  /**
   * The student, if the server takes new work.
   *
   * @throws MagdiError MAGDI_MODEL_LOADING, MAGDI_SHUTTING_DOWN, MAGDI_ENGINE_STALLED, MAGDI_ENGINE_FAILED
   */
  requireStudent(): ServedStudent {
    this.assertTakesWork();
    const readiness = this.readiness();
    if (readiness === "shutting_down") {
      throw new MagdiError("MAGDI_SHUTTING_DOWN", "the server is shutting down and takes no new work");
    }
    if (readiness === "engine_stalled") {
      throw new MagdiError(
        "MAGDI_ENGINE_STALLED",
        "the engine is stalled: one step has run for too long, and no new work is taken until it returns; retry later",
      );
    }
    if (readiness === "engine_failed") {
      throw new MagdiError("MAGDI_ENGINE_FAILED", "the engine has failed");
    }
    return this.requireLoaded();
  }

  /** For work that does without the student. @throws MagdiError MAGDI_SHUTTING_DOWN */
  assertTakesWork(): void {
    if (!this.#draining) return;
    throw new MagdiError("MAGDI_SHUTTING_DOWN", "the server is shutting down and takes no new work");
  }

  /** Counts a request as active, for a drain to wait for, until the returned function is called. */
  enter(): () => void {
    this.#active++;
    let left = false;
    return () => {
      if (left) return;
      left = true;
      this.#active--;
      if (this.#active === 0) this.#wakeIdle();
    };
  }

  /** Remembers a generation or debate until it is done, so that a shutdown can cancel it. */
  track(generation: Running): void {
    this.#generations.add(generation);
    const forget = () => void this.#generations.delete(generation);
    generation.done.then(forget, forget);
    if (this.#aborting) generation.cancel("shutdown");
  }

  /**
   * Stops taking new work and resolves when no request is active. After `timeoutMs` running generations are cancelled;
   * two seconds later it resolves even if clients have not read the rest of their answers.
   */
  async drain(timeoutMs: number): Promise<void> {
    this.#draining = true;
    let stopTimer = this.#clock.setTimer(timeoutMs, () => {
      this.#abort();
      stopTimer = this.#clock.setTimer(FINAL_READ_MS, () => this.#giveUp());
    });
    await this.#idle();
    stopTimer();
  }

  #abort(): void {
    this.#aborting = true;
    for (const generation of this.#generations) generation.cancel("shutdown");
  }

  #giveUp(): void {
    this.#gaveUp = true;
    this.#wakeIdle();
  }

  #idle(): Promise<void> {
    if (this.#active === 0 || this.#gaveUp) return Promise.resolve();
    return new Promise((resolve) => this.#idleWaiters.add(resolve));
  }

  #wakeIdle(): void {
    for (const wake of this.#idleWaiters) wake();
    this.#idleWaiters.clear();
  }
}
