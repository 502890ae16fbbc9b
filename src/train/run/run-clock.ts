// The duration of a run, without the time between interruption and resumption, and an estimate of what is left.

/** Milliseconds. */
type Now = () => number;

export class RunClock {
  readonly #now: Now;
  readonly #startMs: number;
  readonly #secondsBefore: number;
  /** In this process: the time of its steps, their number, and the time of the last validation. */
  #stepsMs = 0;
  #steps = 0;
  #validationMs = 0;

  /** @param secondsBefore the run's duration when it was resumed */
  constructor(now: Now, secondsBefore: number) {
    this.#now = now;
    this.#startMs = now();
    this.#secondsBefore = secondsBefore;
  }

  /** The run's duration so far. */
  get seconds(): number {
    return this.#secondsBefore + (this.#now() - this.#startMs) / 1000;
  }

  /** Starts a stopwatch: the returned function gives the seconds since. */
  begin(): () => number {
    const startMs = this.#now();
    return () => (this.#now() - startMs) / 1000;
  }

  stepTook(seconds: number): void {
    this.#stepsMs += seconds * 1000;
    this.#steps += 1;
  }

  validationTook(seconds: number): void {
    this.#validationMs = seconds * 1000;
  }

  /** The expected duration of further steps and validations. */
  secondsFor(steps: number, validations: number): number {
    const stepMs = this.#steps === 0 ? 0 : this.#stepsMs / this.#steps;
    return (steps * stepMs + validations * this.#validationMs) / 1000;
  }
}
