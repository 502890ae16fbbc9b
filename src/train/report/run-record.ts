// Reads what a training run has written, as far as possible when the run is unfinished or some of its files are damaged.

import { existsSync, statSync } from "node:fs";
import path from "node:path";
import { MagdiError } from "../../base/errors.ts";
import { readRegularText } from "../../base/files/regular-file.ts";
import { METRICS_FILE, SETTINGS_FILE } from "../run/run-files.ts";
import { type RunLogLine, readRunLog, type StepLine, type ValidationLine } from "../run/run-log.ts";

export interface RunRecord {
  /** The folder's name, preceded by as much of its path as makes it unique. */
  readonly name: string;
  readonly folder: string;
  readonly steps: readonly StepLine[];
  readonly validations: readonly ValidationLine[];
  /** The validation whose adapter was kept. */
  readonly best: { readonly step: number; readonly loss: number } | null;
  /** Null for a run that is unfinished. */
  readonly end: Extract<RunLogLine, { kind: "end" }> | null;
  /** As the run wrote them; empty when they cannot be read. */
  readonly settings: Readonly<Record<string, unknown>>;
  /** What could not be read. */
  readonly problems: readonly string[];
}

const MOST_NAMED = 5;

function settingsOf(file: string, problems: string[]): Readonly<Record<string, unknown>> {
  if (!existsSync(file)) {
    problems.push(`${SETTINGS_FILE} is not there`);
    return {};
  }
  try {
    const json: unknown = JSON.parse(readRegularText(file));
    const { settings } = (json ?? {}) as { settings?: unknown }; // any JSON value has fields or none
    if (typeof settings === "object" && settings !== null) return settings as Record<string, unknown>; // an object
    problems.push(`${SETTINGS_FILE} holds no settings`);
  } catch {
    problems.push(`${SETTINGS_FILE} is not JSON`);
  }
  return {};
}

function readRecord(folder: string, name: string): RunRecord {
  if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) {
    throw new MagdiError("MAGDI_FILE_MISSING", `${folder}: expected a training run's folder, found none`);
  }
  const problems: string[] = [];
  const broken: number[] = [];
  const lines = readRunLog(path.join(folder, METRICS_FILE), (line) => broken.push(line));
  if (broken.length > 0) {
    const more = broken.length > MOST_NAMED ? ", …" : "";
    const which = broken.slice(0, MOST_NAMED).join(", ");
    problems.push(
      `${METRICS_FILE}: ${broken.length} of ${lines.length + broken.length} lines could not be read (${which}${more})`,
    );
  }
  return {
    name,
    folder,
    steps: lines.filter((line) => line.kind === "step"),
    validations: lines.filter((line) => line.kind === "validation"),
    best: lines.findLast((line) => line.kind === "best") ?? null,
    end: lines.findLast((line) => line.kind === "end") ?? null,
    settings: settingsOf(path.join(folder, SETTINGS_FILE), problems),
    problems,
  };
}

/** The shortest ends of the paths that are all different. */
function shortNames(paths: readonly string[]): string[] {
  const parts = paths.map((one) => one.split(path.sep).filter((part) => part !== ""));
  const ends = (count: number): string[] => parts.map((part) => part.slice(-count).join("/"));
  const longest = Math.max(0, ...parts.map(({ length }) => length));
  for (let count = 1; count < longest; count++) {
    if (new Set(ends(count)).size === paths.length) return ends(count);
  }
  return ends(longest);
}

/** Reads the runs, each once even when it is named twice.
 * @throws MAGDI_FILE_MISSING for a folder that holds no run; MAGDI_BAD_FILE when none of them has a step or a
 * validation. */
export function readRunRecords(folders: readonly string[]): RunRecord[] {
  const places = [...new Set(folders.map((folder) => path.resolve(folder)))];
  const names = shortNames(places);
  const records = places.map((place, index) => readRecord(place, names[index]!));
  if (records.some(({ steps, validations }) => steps.length + validations.length > 0)) return records;
  throw new MagdiError(
    "MAGDI_BAD_FILE",
    `${places.map((place) => path.join(place, METRICS_FILE)).join(", ")}: expected steps or validations, found none yet`,
  );
}
