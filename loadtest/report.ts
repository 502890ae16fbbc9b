// Everything that a load test found, as it is written to a file. It measures nothing itself.

import type { Machine } from "./machine.ts";
import type { Comparison } from "./measures/account.ts";
import type { GroupReport } from "./measures/load-group.ts";
import type { Check, Figure, MemorySample } from "./measures/results.ts";
import type { Amounts } from "./scenarios/scenario.ts";
import type { LoopDelay } from "./server/server-under-test.ts";

/** What one process did between two moments. */
export interface ProcessUse {
  readonly cpuSeconds: number;
  /** Processor time over the time that passed: 1 is one core, busy all the time. */
  readonly cores: number;
}

export interface Report {
  readonly scenario: string;
  readonly version: string;
  /** ISO 8601. */
  readonly startedAt: string;
  readonly seconds: number;
  readonly seed: number;
  readonly amounts: Amounts;
  /** True after Ctrl-C: the numbers are those of a part. */
  readonly brokenOff: boolean;
  readonly machine: Machine;
  readonly server: {
    /** Null for a server started by the load test. */
    readonly url: string | null;
    readonly flags: readonly string[];
    readonly model: string | null;
    /** Null where it has ended before it could be asked. */
    readonly use: ProcessUse | null;
    readonly residentBytesBefore: number;
    readonly residentBytesAfter: number | null;
    readonly eventLoopDelayMs: LoopDelay | null;
  };
  /** The clients' own: near one core, they and not the server were measured. */
  readonly clients: { readonly use: ProcessUse; readonly eventLoopDelayP99Ms: number };
  readonly groups: readonly GroupReport[];
  readonly figures: readonly Figure[];
  readonly memory: readonly MemorySample[];
  /** Null where the scenario's answers cannot tell. */
  readonly counters: Comparison | null;
  readonly checks: readonly Check[];
}

/** Whether everything held that had to. */
export function passed(report: Report, enforceTargets: boolean): boolean {
  return report.checks.every((check) => check.passed || (check.kind === "target" && !enforceTargets));
}
