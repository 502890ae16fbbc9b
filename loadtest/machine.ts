// The machine that a load test ran on, as far as its numbers depend on it.
import { readFileSync } from "node:fs";
import { cpus, loadavg, platform, release, totalmem } from "node:os";
import { usableProcessors } from "../src/runtime/usable-processors.ts";

export interface Machine {
  readonly processor: string;
  readonly threads: number;
  readonly memoryBytes: number;
  readonly system: string;
  readonly node: string;
  /** One-minute load average at the start: what else ran. Zero where the system has none. */
  readonly loadAverage: number;
}

export function describeMachine(): Machine {
  return {
    processor: cpus()[0]?.model.trim() ?? "unknown",
    threads: usableProcessors(),
    memoryBytes: totalmem(),
    system: `${platform()} ${release()}`,
    node: process.version,
    loadAverage: loadavg()[0] ?? 0,
  };
}

/** The project's version. */
export function ownVersion(): string {
  const text = readFileSync(new URL("../package.json", import.meta.url), "utf8");
  const { version } = JSON.parse(text) as { version: string }; // our own package.json
  return version;
}
