// An experiment's table with its rows resolved: which students each row makes, of which data, and what they are asked. It
// reads no files.

import type { z } from "zod";
import { evalSettings } from "../eval/settings.ts";
import { resolveSettings, type TrainingSettings } from "../train/run/training-settings.ts";
import type { tableSchema } from "./table-schema.ts";
import { APART, JOINTLY, ROW_ABOVE } from "./table-schema.ts";

export type FileTable = z.output<typeof tableSchema>;
export type FileRow = FileTable["rows"][number];

/** Of students that learn from no data. */
const UNTAUGHT = "untaught";

/** Students of a row that learn from the same data, and the tasks that they are asked. */
export interface Part {
  readonly name: string;
  readonly taught: readonly string[];
  readonly asked: readonly string[];
}

export interface TableRow extends Omit<FileRow, "seeds" | "against"> {
  /** Of its files and folders. */
  readonly folder: string;
  readonly parts: readonly Part[];
  readonly seeds: readonly number[];
  /** The row whose students it asks; its own name where it makes them. */
  readonly makes: string;
  /** The name of the row that it is compared with. */
  readonly against: string | null;
}

export interface Table extends Omit<FileTable, "rows" | "engine"> {
  readonly rows: readonly TableRow[];
  readonly engine: Readonly<Record<string, unknown>>;
}

/** A row's settings of training, without data and seed. @throws MAGDI_BAD_CONFIG */
export function rowTraining(
  table: Pick<Table, "base" | "training">,
  row: FileRow | TableRow,
): TrainingSettings {
  const source = (values: Readonly<Record<string, unknown>>) => ({ nameOf: (key: string) => key, values });
  const decided = { recipe: row.recipe, base: row.base ?? table.base };
  return resolveSettings([source(table.training), source(row.training), source(decided)]);
}

/** @throws MAGDI_BAD_CONFIG */
export function rowEvaluation(
  table: Pick<Table, "evaluation" | "tasks">,
  row: Pick<TableRow, "evaluation">,
  task: string,
): ReturnType<typeof evalSettings> {
  return evalSettings({ ...table.evaluation, ...table.tasks[task]?.evaluation, ...row.evaluation });
}

/** With the defaults of the table. */
export function resolvedTable(file: FileTable): Table {
  const rows = file.rows.map((row, index): TableRow => {
    const { against: own, ...others } = row;
    const maker = file.rows.find(({ name }) => name === row.student) ?? row;
    const against = own === undefined ? file.against : own;
    const named = against === ROW_ABOVE ? (file.rows[index - 1]?.name ?? null) : against;
    return {
      ...others,
      folder: folderOf(row.name),
      parts: partsOf(file, maker),
      seeds: learns(file, maker) ? (maker.seeds ?? file.seeds) : [0],
      makes: maker.name,
      against: named === row.name ? null : named,
    };
  });
  return { ...file, rows };
}

function learns(file: FileTable, row: FileRow): boolean {
  try {
    return rowTraining(file, row).losses.length > 0;
  } catch {
    return true; // said by runProblems
  }
}

function partsOf(file: FileTable, row: FileRow): Part[] {
  const tasks = Object.entries(file.tasks);
  const asked = tasks.filter(([, { questions }]) => questions.length > 0).map(([name]) => name);
  const taught = tasks.filter(([, { data }]) => data.length > 0).map(([name]) => name);
  if (!learns(file, row)) return asked.length === 0 ? [] : [{ name: UNTAUGHT, taught: [], asked }];
  if (row.data === APART) {
    return taught
      .filter((name) => asked.includes(name))
      .map((name) => ({ name, taught: [name], asked: [name] }));
  }
  if (asked.length === 0 || taught.length === 0) return [];
  if (row.data === JOINTLY) return [{ name: JOINTLY, taught, asked }];
  const chosen = typeof row.data === "string" ? [row.data] : row.data;
  return [{ name: chosen.join("+"), taught: chosen, asked }];
}

function folderOf(name: string): string {
  return name
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}.]+/gu, "-")
    .replaceAll(/^[-.]+|[-.]+$/g, "");
}
