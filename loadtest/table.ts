// A report as Markdown tables.
import type { Summary } from "./measures/distribution.ts";
import type { GroupReport } from "./measures/load-group.ts";
import type { Report } from "./report.ts";

const MIB = 2 ** 20;

export function renderReport(report: Report): string {
  const { machine, server, clients, amounts } = report;
  const lines = [
    `magdi ${report.version}, ${report.scenario}${report.brokenOff ? " (interrupted)" : ""}, ${server.model ?? "no model"}, seed ${report.seed}, ${report.startedAt}`,
    `${machine.threads} threads of ${machine.processor}, ${(machine.memoryBytes / 2 ** 30).toFixed(1)} GiB, ${machine.system}, Node ${machine.node}, load ${machine.loadAverage.toFixed(1)} at the start`,
    `server: ${server.url ?? "started for this run,"} ${server.flags.join(" ")}`.trim(),
    `${amounts.connections} connections, ${report.seconds.toFixed(1)} s`,
    "",
    ...table(
      ["part", "requests", "answered", "refused", "dropped", "failed", "requests/s", "tokens/s"],
      report.groups.map((group) => [
        group.name,
        `${group.requests}`,
        `${group.answered}`,
        `${group.refused}`,
        `${group.dropped}`,
        `${group.failed}`,
        group.requestsPerSecond.toFixed(1),
        group.tokensPerSecond.toFixed(1),
      ]),
    ),
    "",
    ...table(["milliseconds", "count", "p50", "p90", "p95", "p99", "max"], report.groups.flatMap(timesOf)),
    "",
    ...table(["errors and refusals", "times"], report.groups.flatMap(errorsOf)),
    ...table(
      ["figure", ""],
      report.figures.map(({ name, value, unit }) => [
        name,
        value === null ? "not measured" : `${value.toFixed(2)} ${unit}`,
      ]),
    ),
    ...table(
      ["processes", "processor time", "cores", "event-loop delay p99", "memory"],
      [
        [
          "server",
          server.use === null ? "ended" : `${server.use.cpuSeconds.toFixed(1)} s`,
          server.use === null ? "" : server.use.cores.toFixed(2),
          loopDelay(report),
          memory(report),
        ],
        [
          "clients",
          `${clients.use.cpuSeconds.toFixed(1)} s`,
          clients.use.cores.toFixed(2),
          `${clients.eventLoopDelayP99Ms.toFixed(1)} ms`,
          "",
        ],
      ],
    ),
    ...countersOf(report),
    ...table(
      ["must hold", "", "found"],
      report.checks.map(({ name, kind, passed, detail }) => [
        name,
        passed ? "yes" : kind === "exact" ? "NO" : "missed",
        detail,
      ]),
    ),
  ];
  return `${lines.join("\n").trimEnd()}\n`;
}

function timesOf(group: GroupReport): string[][] {
  const rows: [string, Summary | null][] = [
    ["latency", group.latencyMs],
    ["first token", group.firstTokenMs],
    ["between tokens", group.interTokenMs],
    ["refusal", group.refusalMs],
  ];
  return rows.flatMap(([name, summary]) => {
    if (summary === null) return [];
    const { count, p50, p90, p95, p99, max } = summary;
    return [[`${group.name}: ${name}`, `${count}`, ...[p50, p90, p95, p99, max].map((ms) => ms.toFixed(1))]];
  });
}

function errorsOf(group: GroupReport): string[][] {
  return Object.entries(group.errors).map(([what, times]) => [`${group.name}: ${what}`, `${times}`]);
}

function loopDelay({ server }: Report): string {
  const delay = server.eventLoopDelayMs;
  if (delay === null || delay.p99 === null) return "not measured";
  return delay.source === "probe" ? `${delay.p99.toFixed(1)} ms` : `below ${delay.p99.toFixed(1)} ms`;
}

function memory({ server }: Report): string {
  const mib = (bytes: number): string => `${(bytes / MIB).toFixed(0)} MiB`;
  const { residentBytesBefore: before, residentBytesAfter: after } = server;
  return after === null ? mib(before) : `${mib(before)}, then ${mib(after)}`;
}

function countersOf({ counters }: Report): string[] {
  if (counters === null) return [];
  const different = counters.different.map(({ series, expected, found }) => [
    `\`${series}\``,
    `${expected}`,
    `${found}`,
  ]);
  const unknown = counters.unknown.length === 0 ? [] : [`Not compared: ${counters.unknown.join(", ")}.`, ""];
  return [...table(["counter", "by the clients", "by the server"], different), ...unknown];
}

/** Empty without rows; otherwise followed by an empty line. */
function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  if (rows.length === 0) return [];
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line), ""];
}
