// What the bench found on a device, as JSON's shape and as Markdown. It measures nothing.

import { type CaseReport, caseTable, leftOut, number, OURS, type SubjectReport, table } from "../report.ts";

export interface DeviceReport {
  readonly version: string;
  readonly startedAt: string;
  readonly command: string;
  readonly device: string;
  /** The GPU's name where it can be told; the processor's for the processor. */
  readonly hardware: string;
  readonly node: string;
  readonly model: string;
  readonly dtype: string;
  readonly weightBytes: number;
  /** Of the device's memory, measured on it. */
  readonly bytesPerSecond: number;
  readonly repeats: number;
  /** By name, in the order of the columns; a string says why one was left out. */
  readonly subjects: Readonly<Record<string, (SubjectReport & { readonly description: string }) | string>>;
  readonly cases: readonly CaseReport[];
}

export function deviceMarkdown(report: DeviceReport): string {
  const ready = Object.entries(report.subjects).flatMap(([name, subject]) =>
    typeof subject === "string" ? [] : [{ name, ...subject }],
  );
  const names = ready.map(({ name }) => name);
  const lines = [
    `magdi ${report.version} on ${report.device} (${report.hardware}), ${report.model} in ${report.dtype}, Node ${report.node}; median of ${report.repeats} alternating rounds (lowest–highest).`,
    "",
    caseTable(names, report.cases),
    "",
    table(
      ["", ...names],
      [
        ["what", ...ready.map(({ description }) => description)],
        ["ready after", ...ready.map(({ readyMs }) => `${readyMs.toFixed(0)} ms`)],
        [
          "resident on the host",
          ...ready.map(({ residentBytes }) => `${(residentBytes / 1e6).toFixed(0)} MB`),
        ],
      ],
    ),
    "",
    bandwidthLine(report),
  ];
  lines.push(...leftOut(report.subjects));
  return `${lines.join("\n")}\n`;
}

/** A lone row reads every weight once a token: the memory's speed bounds it. */
function bandwidthLine({ bytesPerSecond, weightBytes, cases }: DeviceReport): string {
  const memory = `The device's memory moves ${(bytesPerSecond / 1e9).toFixed(1)} GB/s, the weights are ${(weightBytes / 1e6).toFixed(1)} MB`;
  const one = cases.find(({ name }) => name === "1 row, decoding")?.results[OURS];
  if (one === undefined) return `${memory}.`;
  const limit = bytesPerSecond / weightBytes;
  return `${memory}: that would allow ${number(limit)} tok/s on one row, of which ours reaches ${number((100 * one.median) / limit)} %.`;
}
