// The results of the benchmark as JSON and Markdown.
import type { Spread } from "./statistics.ts";

export interface BenchReport {
  readonly version: string;
  readonly startedAt: string;
  readonly command: string;
  readonly machine: {
    readonly processor: string;
    readonly threads: number;
    readonly memoryBytes: number;
    readonly node: string;
    readonly readBytesPerSecond: number;
  };
  readonly model: string;
  readonly dtype: string;
  readonly weightBytes: number;
  readonly repeats: number;
  /** Subjects by name, in the order of the columns; a string says why one was left out. */
  readonly subjects: Readonly<Record<string, SubjectReport | string>>;
  readonly cases: readonly CaseReport[];
  /** Milliseconds of one decode step of our engine, by rows. */
  readonly steps: readonly { readonly rows: number; readonly milliseconds: Spread }[];
  /** llama.cpp's own programs, as they print it; null without them. */
  readonly llamaBench: Readonly<Record<string, number>> | null;
}

export interface SubjectReport {
  /** From the start of the process to being ready. */
  readonly readyMs: number;
  /** After all cases. */
  readonly residentBytes: number;
}

export interface CaseReport {
  readonly name: string;
  readonly unit: "tok/s" | "ms";
  /** By subject. */
  readonly results: Readonly<Record<string, Spread>>;
  /** Ratios to a peer within each round, which other load on the machine affects less. */
  readonly ratios: Readonly<Record<string, Spread>>;
}

export const OURS = "magdi";

export const number = (value: number) =>
  value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);
const spread = ({ median, lowest, highest }: Spread) =>
  `${number(median)} (${number(lowest)}–${number(highest)})`;
const gigabytes = (bytes: number) => `${(bytes / 1e9).toFixed(1)} GB`;

export function markdownOf(report: BenchReport): string {
  const { machine, cases, steps } = report;
  const ready = Object.entries(report.subjects).filter(
    (entry): entry is [string, SubjectReport] => typeof entry[1] !== "string",
  );
  const names = ready.map(([name]) => name);
  const lines = [
    `magdi ${report.version}, ${report.model} in ${report.dtype}, ${machine.threads} threads of ${machine.processor}, Node ${machine.node}, ` +
      `memory read at ${gigabytes(machine.readBytesPerSecond)}/s; median of ${report.repeats} alternating rounds (lowest–highest).`,
    "",
    caseTable(names, cases),
    "",
    table(
      ["", ...names],
      [
        ["ready after", ...ready.map(([, { readyMs }]) => `${readyMs.toFixed(0)} ms`)],
        [
          "resident after all cases",
          ...ready.map(([, { residentBytes }]) => `${(residentBytes / 1e6).toFixed(0)} MB`),
        ],
      ],
    ),
    "",
    table(
      ["rows of a step", ...steps.map(({ rows }) => String(rows))],
      [
        ["ms", ...steps.map(({ milliseconds }) => number(milliseconds.median))],
        ["tok/s", ...steps.map(({ rows, milliseconds }) => number((1000 * rows) / milliseconds.median))],
      ],
    ),
    "",
    bandwidthLine(report),
  ];
  lines.push(...leftOut(report.subjects));
  if (report.llamaBench !== null) {
    const own = Object.entries(report.llamaBench).map(([name, rate]) => `${name} ${number(rate)} tok/s`);
    lines.push("", `llama.cpp's own programs on the same GGUF: ${own.join(", ")}.`);
  }
  return `${lines.join("\n")}\n`;
}

/** A lone stream reads every weight once a token: the memory's speed bounds it. It is measured in the pages that Node has;
 * our weights lie in huge ones, which are read faster. */
function bandwidthLine({ machine, weightBytes, steps }: BenchReport): string {
  const one = steps.find(({ rows }) => rows === 1);
  if (one === undefined) return "";
  const limit = machine.readBytesPerSecond / weightBytes;
  const rate = 1000 / one.milliseconds.median;
  return `The weights are ${(weightBytes / 1e6).toFixed(0)} MB: memory, read in ordinary pages, would allow ${number(limit)} tok/s on one stream, of which a step of one row reaches ${((100 * rate) / limit).toFixed(0)} %.`;
}

/** A line a case: what each subject reached, then ours over each peer's. */
export function caseTable(names: readonly string[], cases: readonly CaseReport[]): string {
  const peers = names.filter((name) => name !== OURS);
  return table(
    ["case", "unit", ...names, ...peers.map((peer) => `magdi / ${peer}`)],
    cases.map(({ name, unit, results, ratios }) => [
      name,
      unit,
      ...names.map((subject) => cell(results[subject])),
      ...peers.map((peer) => cell(ratios[peer])),
    ]),
  );
}

/** A paragraph for each subject that was left out. */
export function leftOut(subjects: Readonly<Record<string, object | string>>): string[] {
  return Object.entries(subjects).flatMap(([name, reason]) =>
    typeof reason === "string" ? ["", `Left out: ${name} (${reason}).`] : [],
  );
}

const cell = (value: Spread | undefined) => (value === undefined ? "–" : spread(value));

export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}
