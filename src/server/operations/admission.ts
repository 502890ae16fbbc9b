// Who may start work, and what is at work: the student's loading, the drain, and every live generation. It knows
// neither HTTP nor metrics.
import type { Clock } from "../../base/clock.ts";
import { MagdiError } from "../../base/errors.ts";
import type { Generation } from "../../engine/request.ts";
import type { ServedStudent } from "../served-student.ts";

export type Readiness = "ready" | "loading" | "shutting_down" | "engine_stalled" | "engine_failed";

/** What readers get to read the rest of their answers once all that ran was ended. */
const LAST_READ_MS = 2000;

export class Admission {
  readonly #clock: Clock;
  readonly #generations = new Set<Generation>();
  readonly #idleWaiters = new Set<() => void>();
  #student: ServedStudent | null = null;
  #active = 0;
  #draining = false;
  #aborting = false;
  #gaveUp = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  open(student: ServedStudent): void {
    this.#student = student;
  }

  /** The student, whether or not new work is taken; null while it loads. */
  get student(): ServedStudent | null {
    return this.#student;
  }

  get draining(): boolean {
    return this.#draining;
  }

  /** Requests between enter and leave. */
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

  /** False only when nothing but a restart helps. */
  get alive(): boolean {
    const state = this.#student?.engine.stats().state;
    return state !== "failed" && state !== "stalled";
  }

  /**
   * The student, for new work.
   *
   * @throws MagdiError MAGDI_MODEL_LOADING, MAGDI_SHUTTING_DOWN, MAGDI_ENGINE_STALLED, MAGDI_ENGINE_FAILED
   */
  require(): ServedStudent {
    const readiness = this.readiness();
    if (readiness === "shutting_down") {
      throw new MagdiError("MAGDI_SHUTTING_DOWN", "the server is shutting down and takes no new work");
    }
    if (readiness === "engine_stalled") {
      throw new MagdiError(
        "MAGDI_ENGINE_STALLED",
        "the engine has been at one step for too long and takes no new work until it returns; ask again later",
      );
    }
    if (readiness === "engine_failed") {
      throw new MagdiError("MAGDI_ENGINE_FAILED", "the engine can serve no more");
    }
    if (this.#student === null) {
      throw new MagdiError("MAGDI_MODEL_LOADING", "the model is still being loaded; ask again in a moment");
    }
    return this.#student;
  }

  /** Counts a request as active until the returned function is called; a drain waits for it. */
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

  /** Keeps a generation for a shutdown to end, until it is done. */
  add(generation: Generation): void {
    this.#generations.add(generation);
    const forget = () => void this.#generations.delete(generation);
    generation.done.then(forget, forget);
    if (this.#aborting) generation.cancel("shutdown");
  }

  /**
   * Takes no new work from now on; resolves when no request is active. After `timeoutMs` what runs is ended; who has
   * not read the rest of an answer two seconds later is waited for no more, by this drain or another one.
   */
  async drain(timeoutMs: number): Promise<void> {
    this.#draining = true;
    let stopTimer = this.#clock.setTimer(timeoutMs, () => {
      this.#abort();
      stopTimer = this.#clock.setTimer(LAST_READ_MS, () => this.#giveUp());
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
