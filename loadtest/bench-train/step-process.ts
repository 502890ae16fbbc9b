// A process that runs training steps, magdi's or a peer's.

import { LineProcess } from "../line-process.ts";

export interface StepMeasurement {
  readonly loss: number;
  readonly seconds: number;
  /** Of all threads since the process began. */
  readonly cpuSeconds: number;
  /** Peak resident memory. */
  readonly peakBytes: number;
}

export class StepProcess {
  readonly #process: LineProcess;

  private constructor(process: LineProcess) {
    this.#process = process;
  }

  /** Resolves when the process is ready. */
  static async open(command: readonly string[]): Promise<StepProcess> {
    const { process } = await LineProcess.open(command);
    return new StepProcess(process);
  }

  async batch(rows: number, columns: number, prompt: number, ids: readonly number[]): Promise<void> {
    await this.#process.ask(`batch ${[rows, columns, prompt, ...ids].join(" ")}`);
  }

  async step(): Promise<StepMeasurement> {
    return (await this.#process.ask("step")) as StepMeasurement; // what both programs answer to this
  }

  close(): Promise<void> {
    return this.#process.close();
  }
}
