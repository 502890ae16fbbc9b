// SIGINT and SIGTERM for long-running commands: the first asks the command to stop, a second exits at once.

import type { EventEmitter } from "node:events";
import { type Clock, systemClock } from "../base/clock.ts";

/** As shells report a program ended by a signal: 128 plus the signal's number. */
const EXIT_CODES = { SIGINT: 130, SIGTERM: 143 } as const;
type StopSignal = keyof typeof EXIT_CODES;
const SIGNALS: readonly StopSignal[] = ["SIGINT", "SIGTERM"];
/** npm forwards a Ctrl-C that the terminal has already sent to this process: one key press, two signals. */
const SAME_SIGNAL_MS = 50;

export class StopSignals {
  readonly #abort = new AbortController();
  #first: { readonly name: StopSignal; readonly atMs: number } | null = null;
  readonly #close: () => void;

  /** `onFirst` is called once; tests pass the others. */
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

  /** 0 before any signal. */
  get exitCode(): number {
    return this.#first === null ? 0 : EXIT_CODES[this.#first.name];
  }

  /** Restores the default handling. */
  close(): void {
    this.#close();
  }
}
