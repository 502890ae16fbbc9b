// A process that runs training steps when told, a line in and a line of JSON out, whichever language it is in.

import { type ChildProcess, spawn } from "node:child_process";
import { createInterface, type Interface } from "node:readline";

export interface StepMeasurement {
  readonly loss: number;
  readonly seconds: number;
  /** Of all threads since the process began. */
  readonly cpuSeconds: number;
  /** The most that was resident since the process began. */
  readonly peakBytes: number;
}

export class StepProcess {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly #interface: Interface;

  private constructor(command: readonly string[]) {
    const [program = "", ...rest] = command;
    this.#child = spawn(program, rest, { stdio: ["pipe", "pipe", "inherit"] });
    const output = this.#child.stdout;
    if (output === null) throw new Error(`${program}: expected a process with an output`);
    this.#interface = createInterface({ input: output });
    this.#lines = this.#interface[Symbol.asyncIterator]();
  }

  /** Resolves when the process has said that it is ready. */
  static async open(command: readonly string[]): Promise<StepProcess> {
    const process = new StepProcess(command);
    await process.#answer();
    return process;
  }

  async batch(rows: number, columns: number, prompt: number, ids: readonly number[]): Promise<void> {
    this.#child.stdin?.write(`batch ${[rows, columns, prompt, ...ids].join(" ")}\n`);
    await this.#answer();
  }

  async step(): Promise<StepMeasurement> {
    this.#child.stdin?.write("step\n");
    return (await this.#answer()) as StepMeasurement; // what both programs answer to this
  }

  async close(): Promise<void> {
    const ended = new Promise((resolve) => this.#child.once("exit", resolve));
    this.#child.stdin?.end();
    await ended;
    this.#interface.close();
  }

  /** The next line that is an object; libraries write others. */
  async #answer(): Promise<unknown> {
    for (;;) {
      const { value, done } = await this.#lines.next();
      if (done === true) throw new Error(`${this.#child.spawnargs.join(" ")} ended without an answer`);
      if (value.startsWith("{")) return JSON.parse(value);
    }
  }
}
