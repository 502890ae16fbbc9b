// What a scenario is and what it is given. It knows none of them.
import type { GenerationEngine } from "../../src/engine/request.ts";
import type { Client } from "../clients/client.ts";
import type { Results } from "../measures/results.ts";
import type { Workload } from "../requests/workload.ts";
import type { ServerUnderTest } from "../server/server-under-test.ts";

export interface Amounts {
  readonly connections: number;
  /** Requests in all, where the scenario counts them. */
  readonly requests: number;
  /** When given, the time decides and not the number of requests. */
  readonly seconds: number | null;
}

/** An engine in this process, over the same student as the server's. */
export interface BareEngine {
  readonly engine: GenerationEngine;
  readonly encode: (text: string) => Int32Array;
  close(): Promise<void>;
}

export interface ScenarioContext {
  readonly server: ServerUnderTest;
  readonly client: Client;
  readonly workload: Workload;
  readonly amounts: Amounts;
  readonly results: Results;
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal;
  readonly openEngine: () => Promise<BareEngine>;
  /** A line for the person who waits. */
  readonly say: (line: string) => void;
}

export interface Scenario {
  readonly name: string;
  /** One line for --help. */
  readonly summary: string;
  /** Flags of the server that the load test starts. */
  readonly serverFlags: readonly string[];
  /** True when it must choose the server's settings or send it signals: --url is refused then. */
  readonly ownServer: boolean;
  /** Whether it can go on for a time instead of a number of requests. */
  readonly timed: boolean;
  readonly defaults: Amounts;
  /** Whether a proper refusal is one of the outcomes that it is made for. */
  readonly mayRefuse: boolean;
  /** Whether the answers tell what every counter must say; not where a client went away or the server has ended. */
  readonly comparesCounters: boolean;
  run(context: ScenarioContext): Promise<void>;
}
