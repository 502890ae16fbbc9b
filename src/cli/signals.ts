// What SIGINT and SIGTERM mean to a command that runs for long: the first asks it to stop, a second ends it at once.

import type { EventEmitter } from "node:events";
import { type Clock, systemClock } from "../base/clock.ts";

/** As shells tell of a program that a signal ended. */
const EXIT_CODES = { SIGINT: 130, SIGTERM: 143 } as const;
type StopSignal = keyof typeof EXIT_CODES;
const SIGNALS: readonly StopSignal[] = ["SIGINT", "SIGTERM"];
/** npm passes on a Ctrl-C that the terminal has already sent to us: one key press, two signals. */
const SAME_SIGNAL_MS = 50;

export class StopSignals {
  readonly #abort = new AbortController();
  #first: { readonly name: StopSignal; readonly atMs: number } | null = null;
  readonly #close: () => void;

  /** `onFirst` is called once. The others are what a test puts in their places. */
  constructor(
    onFirst: (name: StopSignal) => void = () => {},
    process: EventEmitter & Pick<NodeJS.Process, "exit"> = globalThis.process,
    clock: Pick<Clock, "nowMs"> = systemClock,
  ) {
    const onSignal = (name: StopSignal): void => {
      const atMs = clock.nowMs();
      if (this.#first === null) {
        this.#first = { name, atMs };
        onFirst(name);
        this.#abort.abort();
      } else if (name !== this.#first.name || atMs - this.#first.atMs > SAME_SIGNAL_MS) {
        process.exit(EXIT_CODES[name]);
      }
    };
    for (const name of SIGNALS) process.on(name, onSignal);
    this.#close = () => {
      for (const name of SIGNALS) process.off(name, onSignal);
    };
  }

  /** Aborted by the first signal. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** Of a command that a signal ended; 0 before any. */
  get exitCode(): number {
    return this.#first === null ? 0 : EXIT_CODES[this.#first.name];
  }

  /** Signals mean to the process what they meant before. */
  close(): void {
    this.#close();
  }
}
