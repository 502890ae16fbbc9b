// How fast prompts are computed, measured on the steps that run, so that who would wait in vain is told so at once.

/** Steps are measured together until so many prompt tokens were computed. */
const WINDOW_TOKENS = 1024;
/** The fastest of so many counts: a machine that was busy with something else for a while refuses nobody. */
const WINDOWS = 4;

export class PrefillPace {
  /** Milliseconds a token. */
  readonly #windows: number[] = [];
  #elapsedMs = 0;
  #tokens = 0;

  /** Counts a step that ran while a prompt was not all computed: its prompt tokens, none for a decode step between. */
  add(elapsedMs: number, tokens: number): void {
    this.#elapsedMs += elapsedMs;
    this.#tokens += tokens;
    if (this.#tokens < WINDOW_TOKENS) return;
    this.#windows.push(this.#elapsedMs / this.#tokens);
    if (this.#windows.length > WINDOWS) this.#windows.shift();
    this.#elapsedMs = 0;
    this.#tokens = 0;
  }

  /** The least time that so many tokens take; 0 before any was measured. */
  leastMs(tokens: number): number {
    return this.#windows.length === 0 ? 0 : tokens * Math.min(...this.#windows);
  }
}
