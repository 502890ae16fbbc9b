// Sends spans by another exporter, and bears it when that fails: spans are lost, and somebody hears of it once in a
// while. It knows neither spans nor collectors.
import type { Clock } from "../../base/clock.ts";

const QUIET_MS = 300_000;
const SUCCESS = 0;

interface ExportResult {
  readonly code: number;
  readonly error?: Error;
}

interface Exporter<Spans extends readonly unknown[]> {
  export(spans: Spans, done: (result: ExportResult) => void): void;
  forceFlush?(): Promise<void>;
  shutdown(): Promise<void>;
}

export class PatientExporter<Spans extends readonly unknown[]> implements Exporter<Spans> {
  readonly #inner: Exporter<Spans>;
  readonly #clock: Clock;
  readonly #tell: (message: string, error: Error | null) => void;
  #lost = 0;
  #saidAtMs: number | null = null;
  /** Whether the failure that lasts was told. */
  #told = false;

  constructor(inner: Exporter<Spans>, clock: Clock, tell: (message: string, error: Error | null) => void) {
    this.#inner = inner;
    this.#clock = clock;
    this.#tell = tell;
  }

  export(spans: Spans, done: (result: ExportResult) => void): void {
    this.#inner.export(spans, ({ code, error }) => {
      if (code === SUCCESS) this.#sent();
      else this.#failed(spans.length, error ?? null);
      // The loss has been told: nobody needs to complain again.
      done({ code: SUCCESS });
    });
  }

  async forceFlush(): Promise<void> {
    await this.#inner.forceFlush?.();
  }

  shutdown(): Promise<void> {
    return this.#inner.shutdown();
  }

  #failed(spans: number, error: Error | null): void {
    this.#lost += spans;
    const nowMs = this.#clock.nowMs();
    if (this.#saidAtMs !== null && nowMs - this.#saidAtMs < QUIET_MS) return;
    this.#saidAtMs = nowMs;
    this.#told = true;
    this.#tell(`the trace collector does not take spans (lost so far: ${this.#lost})`, error);
  }

  #sent(): void {
    if (this.#lost === 0) return;
    if (this.#told) this.#tell(`the trace collector takes spans again (lost: ${this.#lost})`, null);
    this.#told = false;
    this.#lost = 0;
  }
}
