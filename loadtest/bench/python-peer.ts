// A Python program of peers/ as a subject, which reads workloads as lines of JSON and answers with times.

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { LineProcess } from "../line-process.ts";
import type { Subject, Workload, WorkloadTime } from "./workload.ts";

export interface PythonPeer extends Subject {
  /** Version, device and number format, from the program. */
  readonly description: string;
  residentBytes(): Promise<number>;
}

export interface PythonPeerOptions {
  /** The interpreter. */
  readonly python: string;
  /** A file of peers/. */
  readonly program: string;
  /** The weights in Transformers' format. */
  readonly base: string;
  readonly device: string;
  readonly threads: number;
  /** Sequences that run at the same time, and tokens of each. */
  readonly rows: number;
  readonly contextLength: number;
}

/** @throws Error with the reason when the program cannot run here. */
export async function openPythonPeer(options: PythonPeerOptions): Promise<PythonPeer> {
  const { python, program, base, device, threads, rows, contextLength } = options;
  const file = fileURLToPath(new URL(`./peers/${program}`, import.meta.url));
  const command = [python, file, base, device, ...[threads, rows, contextLength].map(String)];
  const { process, greeting } = await LineProcess.open(command);
  const { version, dtype } = greeting as { version: string; dtype: string }; // what the programs of peers/ say
  return {
    description: `${version}, ${dtype}`,
    run: async (workload: Workload) => (await process.ask(JSON.stringify(workload))) as WorkloadTime, // as above
    residentBytes: async () => {
      const status = readFileSync(`/proc/${process.pid}/status`, "utf8");
      return 1024 * Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? 0);
    },
    close: () => process.close(),
  };
}
