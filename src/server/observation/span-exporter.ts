// A span exporter that wraps another one: failures lose spans and are reported at most every five minutes, instead of
// as an error for each batch.
import type { Clock } from "../../base/clock.ts";

const REPORT_INTERVAL_MS = 300_000;
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

export class LossReportingExporter<Spans extends readonly unknown[]> implements Exporter<Spans> {
  readonly #inner: Exporter<Spans>;
  readonly #clock: Clock;
  readonly #report: (message: string, error: Error | null) => void;
  #lost = 0;
  #reportedAtMs: number | null = null;
  /** Whether the current failure has been reported. */
  #reported = false;

  constructor(inner: Exporter<Spans>, clock: Clock, report: (message: string, error: Error | null) => void) {
    this.#inner = inner;
    this.#clock = clock;
    this.#report = report;
  }

  export(spans: Spans, done: (result: ExportResult) => void): void {
    this.#inner.export(spans, ({ code, error }) => {
      if (code === SUCCESS) this.#sent();
      else this.#failed(spans.length, error ?? null);
      // Reported above; OpenTelemetry would log each failed batch again.
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
    if (this.#reportedAtMs !== null && nowMs - this.#reportedAtMs < REPORT_INTERVAL_MS) return;
    this.#reportedAtMs = nowMs;
    this.#reported = true;
    this.#report(`the trace collector does not accept spans (lost so far: ${this.#lost})`, error);
  }

  #sent(): void {
    if (this.#lost === 0) return;
    if (this.#reported) this.#report(`the trace collector accepts spans again (lost: ${this.#lost})`, null);
    this.#reported = false;
    this.#lost = 0;
  }
}
