// The summary of runs side by side, as rows of text: settings, progress and results. It knows no markup.

import { TRAINING_SETTINGS } from "../run/training-settings.ts";
import { TERMS } from "./curves.ts";
import type { RunRecord } from "./run-record.ts";

export interface SummaryRow {
  readonly name: string;
  /** One for each run; empty where it has none. */
  readonly cells: readonly string[];
}

const LABELS = { loss: "loss", nll: "NLL", margin: "margin loss", node: "node loss" } as const;
/** Settings that are always shown; others are shown when runs differ in them. */
const ALWAYS = [
  "recipe",
  "base",
  "data",
  "losses",
  "learningRate",
  "batchSize",
  "epochs",
  "loraRank",
  "loraTargets",
];
/** Settings that do not affect what is learned. */
const PLACES = new Set(["out", "threads", "export", "dtypes"]);

const number = (value: number): string => String(Number(value.toPrecision(4)));
const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

/** 3725 → 1 h 2 min */
function duration(seconds: number): string {
  const minutes = Math.floor(seconds / 60);
  if (minutes === 0) return `${seconds.toFixed(1)} s`;
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

function median(values: readonly number[]): number | null {
  const sorted = [...values].sort((a, b) => a - b);
  const [low, high] = [sorted[Math.floor((sorted.length - 1) / 2)], sorted[Math.floor(sorted.length / 2)]];
  return low === undefined || high === undefined ? null : (low + high) / 2;
}

function state({ end, steps, validations }: RunRecord): string {
  const step = end?.step ?? steps.at(-1)?.step ?? validations.at(-1)?.step ?? 0;
  if (end === null) return `not ended; ${step} steps so far`;
  return end.reason === "done" ? `done after ${step} steps` : `stopped early after ${step} steps`;
}

/** "first → last" */
function change(values: readonly number[], write: (value: number) => string): string {
  const [first, last] = [values[0], values.at(-1)];
  if (first === undefined || last === undefined) return "";
  return values.length === 1 ? write(first) : `${write(first)} → ${write(last)}`;
}

function settingText(value: unknown): string {
  if (value === undefined || value === null) return "";
  const file = (text: string): string => (text.includes("/") ? (text.split("/").at(-1) ?? text) : text);
  if (Array.isArray(value)) return value.map((item) => settingText(item)).join(", ");
  return typeof value === "string" ? file(value) : JSON.stringify(value);
}

function settingRows(runs: readonly RunRecord[]): SummaryRow[] {
  return TRAINING_SETTINGS.flatMap(({ key }): SummaryRow[] => {
    const values = runs.map(({ settings }) => settings[key]);
    const differ = new Set(values.map((value) => JSON.stringify(value))).size > 1 && !PLACES.has(key);
    const cells = values.map(settingText);
    const isShown = (differ || ALWAYS.includes(key)) && cells.some((cell) => cell !== "");
    return isShown ? [{ name: key, cells }] : [];
  });
}

/** The rows that at least one run has a cell in. */
export function summaryRows(runs: readonly RunRecord[]): SummaryRow[] {
  const rows: [name: string, cell: (run: RunRecord) => string][] = [
    ["state", state],
    ["epochs done", ({ steps }) => (steps.length === 0 ? "" : number(steps.at(-1)!.epoch))],
    [
      "best validation loss",
      ({ best }) => (best === null ? "" : `${number(best.loss)} after step ${best.step}`),
    ],
    ...TERMS.map((term): [string, (run: RunRecord) => string] => [
      `validation ${LABELS[term]}`,
      ({ validations }) =>
        validations.some((line) => line[term] !== 0)
          ? change(
              validations.map((line) => line[term]),
              number,
            )
          : "",
    ]),
    ...TERMS.map((term): [string, (run: RunRecord) => string] => [
      `training ${LABELS[term]}`,
      ({ steps }) =>
        steps.some((line) => line[term] !== 0)
          ? change(
              steps.map((line) => line[term]),
              number,
            )
          : "",
    ]),
    [
      "node classifier, validation",
      ({ validations }) =>
        change(
          validations.flatMap(({ nodeAccuracy }) => nodeAccuracy ?? []),
          percent,
        ),
    ],
    [
      "always the majority class",
      ({ validations }) => {
        const share = validations.findLast(
          ({ majorityAccuracy }) => majorityAccuracy !== null,
        )?.majorityAccuracy;
        return share === undefined || share === null ? "" : percent(share);
      },
    ],
    ["tokens", ({ steps }) => steps.reduce((sum, { tokens }) => sum + tokens, 0).toLocaleString("en")],
    [
      "tokens per second, median",
      ({ steps }) => {
        const middle = median(steps.map(({ tokensPerSecond }) => tokensPerSecond));
        return middle === null ? "" : middle.toFixed(0);
      },
    ],
    [
      "time",
      ({ end, steps }) => {
        const seconds = end?.seconds ?? steps.at(-1)?.seconds;
        return seconds === undefined ? "" : duration(seconds);
      },
    ],
    ["could not be read", ({ problems }) => problems.join("; ")],
  ];
  return [
    ...rows
      .map(([name, cell]) => ({ name, cells: runs.map(cell) }))
      .filter(({ cells }) => cells.some((cell) => cell !== "")),
    ...settingRows(runs),
  ];
}
