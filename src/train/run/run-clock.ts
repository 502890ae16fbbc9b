// How long a run has taken, pauses not counted, and how long it still will. It reads a clock that it is given.

/** Milliseconds. */
type Now = () => number;

export class RunClock {
  readonly #now: Now;
  readonly #startMs: number;
  readonly #secondsBefore: number;
  /** Of this process: what its steps took, how many there were, and its last validation. */
  #stepsMs = 0;
  #steps = 0;
  #validationMs = 0;

  /** @param secondsBefore what the run had taken when it was resumed */
  constructor(now: Now, secondsBefore: number) {
    this.#now = now;
    this.#startMs = now();
    this.#secondsBefore = secondsBefore;
  }

  /** Since the run began. */
  get seconds(): number {
    return this.#secondsBefore + (this.#now() - this.#startMs) / 1000;
  }

  /** Starts measuring; the function that it returns says how many seconds it has been. */
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

  secondsFor(steps: number, validations: number): number {
    const stepMs = this.#steps === 0 ? 0 : this.#stepsMs / this.#steps;
    return (steps * stepMs + validations * this.#validationMs) / 1000;
  }
}
