// Reads the file of an experiment. Everything that is wrong with it is said at once, by field.

import { existsSync } from "node:fs";
import type { z } from "zod";
import { MagdiError } from "../base/errors.ts";
import { examined, isObject, readJson, shown } from "../base/files/json-file.ts";
import { examinedSettings } from "../base/settings/read-settings.ts";
import { engineSettings } from "../eval/engine-asker.ts";
import { settingsSchema } from "../eval/settings.ts";
import { trainingSettings } from "../train/run/setting-groups.ts";
import {
  type FileRow,
  type FileTable,
  resolvedTable,
  rowEvaluation,
  rowTraining,
  type Table,
} from "./table.ts";
import { APART, JOINTLY, ROW_ABOVE, tableSchema } from "./table-schema.ts";

/** Training settings that the table decides itself, and where. */
const DECIDED: Readonly<Record<string, string>> = {
  recipe: "a row's recipe",
  data: "a task's data",
  validation: "a task's validation",
  base: "the table's base, or a row's",
  seed: "seeds",
  initAdapter: "no adapter: each student begins anew",
  out: "--out",
  export: "nothing: students are always written",
};

/** @throws MAGDI_FILE_MISSING, and MAGDI_BAD_FILE with everything that is wrong */
export function readTable(file: string): Table {
  const value = readJson(file, "a table of experiments");
  const { parsed, problems } = examined(tableSchema, value);
  const all = [...problems, ...settingProblems(value)];
  if (parsed === null || all.length > 0) throw wrong(file, all);
  const table = resolvedTable(parsed.data);
  const more = [...tableProblems(parsed.data, table), ...(all.length > 0 ? [] : runProblems(table))];
  if (more.length > 0) throw wrong(file, more);
  return table;
}

function wrong(file: string, problems: readonly string[]): MagdiError {
  return new MagdiError("MAGDI_BAD_FILE", `${file}: ${problems.join("; ")}`);
}

/** Settings of training, evaluation and engine, wherever they stand. */
function settingProblems(value: unknown): string[] {
  if (!isObject(value)) return [];
  const rows = Array.isArray(value.rows) ? value.rows : [];
  const tasks = isObject(value.tasks) ? value.tasks : {};
  const places = [
    { of: value, where: "" },
    ...Object.entries(tasks).map(([name, of]) => ({ of, where: `tasks.${name}.` })),
    ...rows.map((of: unknown, index) => ({ of, where: `rows.${index}.` })),
  ];
  return places.flatMap(({ of, where }) => {
    if (!isObject(of)) return [];
    const { training, evaluation, engine } = of;
    return [
      ...(isObject(training) ? trainingProblems(training, `${where}training.`) : []),
      ...(isObject(evaluation)
        ? problemsOf(settingsSchema.partial(), evaluation, `${where}evaluation.`)
        : []),
      ...(isObject(engine) && where === "" ? problemsOf(engineSettings, engine, "engine.") : []),
    ];
  });
}

function trainingProblems(values: Readonly<Record<string, unknown>>, where: string): string[] {
  const decided = Object.keys(values).filter((key) => Object.hasOwn(DECIDED, key));
  const others = Object.fromEntries(Object.entries(values).filter(([key]) => !decided.includes(key)));
  return [
    ...decided.map((key) => `${where}${key}: decided by ${DECIDED[key]}; leave it out`),
    ...problemsOf(trainingSettings, others, where),
  ];
}

function problemsOf(schema: z.ZodObject, values: Readonly<Record<string, unknown>>, where: string): string[] {
  return [...examinedSettings(schema, [{ nameOf: (key) => `${where}${key}`, values }]).problems];
}

type Say = (where: string, expected: string, found: unknown) => void;

/** Names that are used twice or belong to nothing, and files that are not there. */
function tableProblems(file: FileTable, table: Table): string[] {
  const problems: string[] = [];
  const say: Say = (where, expected, found) => {
    problems.push(`${where}: expected ${expected}, found ${shown(found)}`);
  };
  for (const name of Object.keys(file.tasks)) sayOfTask(file, name, say);
  if (!Object.values(file.tasks).some(({ questions }) => questions.length > 0)) {
    say("tasks", "a task with questions", Object.keys(file.tasks));
  }
  file.rows.forEach((row, index) => {
    const sayOf = (key: string, expected: string, found: unknown) =>
      say(`rows.${index}${key}`, expected, found);
    sayOfName(table, index, sayOf);
    sayOfStudents(file, row, sayOf);
    sayOfTasks(file, row, sayOf);
    sayOfRowName(file, row, "against", sayOf);
    if (row.series !== undefined && row.x === undefined) sayOf(".x", "a number: the row has a series", row.x);
    if (new Set(row.seeds).size < (row.seeds?.length ?? 0)) sayOf(".seeds", "each seed once", row.seeds);
  });
  if (new Set(file.seeds).size < file.seeds.length) say("seeds", "each seed once", file.seeds);
  const { against } = file;
  if (against !== null && against !== ROW_ABOVE && !file.rows.some(({ name }) => name === against)) {
    say("against", `"${ROW_ABOVE}" or a row's name`, against);
  }
  return problems;
}

function sayOfTask({ tasks }: FileTable, name: string, say: Say): void {
  if (name === APART || name === JOINTLY) say(`tasks.${name}`, "another name: this one has a meaning", name);
  for (const key of ["data", "validation", "questions"] as const) {
    tasks[name]?.[key].forEach((one, index) => {
      if (!existsSync(one)) say(`tasks.${name}.${key}.${index}`, "a file that is there", one);
    });
  }
}

function sayOfName({ rows }: Table, index: number, say: Say): void {
  const { name, folder } = rows[index]!; // as many as in the file
  const twin = rows.findIndex((row) => row.folder === folder);
  if (name.includes(",")) say(".name", "a name without commas, which --only has between rows", name);
  if (folder === "") say(".name", "a letter or a digit", name);
  else if (twin < index)
    say(".name", `a name that differs from that of rows.${twin} in a letter or a digit`, name);
}

function sayOfStudents(file: FileTable, row: FileRow, say: Say): void {
  const both = row.recipe !== undefined && row.student !== undefined;
  if (both) say("", "a recipe, or another row's name as student", "both");
  if (row.recipe === undefined && row.student === undefined) {
    say("", "a recipe, or another row's name as student", "neither");
  }
  if (row.student === undefined) return;
  sayOfRowName(file, row, "student", say);
  if (file.rows.some(({ name, student }) => name === row.student && student !== undefined)) {
    say(".student", "a row with a recipe of its own", row.student);
  }
  const others = "nothing: its students are another row's";
  for (const key of ["base", "seeds"] as const) if (row[key] !== undefined) say(`.${key}`, others, row[key]);
  if (Object.keys(row.training).length > 0) say(".training", others, row.training);
}

function sayOfRowName({ rows }: FileTable, row: FileRow, key: "student" | "against", say: Say): void {
  const name = row[key];
  if (name === undefined || name === null || (key === "against" && name === ROW_ABOVE)) return;
  const others = rows.filter((other) => other !== row).map((other) => other.name);
  if (!others.includes(name)) say(`.${key}`, `another row's name (${others.join(", ")})`, name);
}

function sayOfTasks({ tasks }: FileTable, row: FileRow, say: Say): void {
  const names = Object.keys(tasks);
  const chosen = row.data === APART || row.data === JOINTLY ? [] : [row.data].flat();
  for (const name of chosen) {
    if (!names.includes(name)) say(".data", `${APART}, ${JOINTLY} or tasks (${names.join(", ")})`, name);
    else if (tasks[name]?.data.length === 0) say(".data", "a task that has data", name);
  }
  for (const key of ["accuracy", "tokens"] as const) {
    for (const name of Object.keys(row.paper?.[key] ?? {})) {
      if (!names.includes(name)) say(`.paper.${key}`, `tasks (${names.join(", ")})`, name);
    }
  }
}

/** What rows and tasks decide together: a recipe that there is not, and settings that do not go with each other. */
function runProblems(table: Table): string[] {
  const problems = table.rows.flatMap((row, index) => {
    const found: string[] = [];
    const tried = (place: string, work: () => unknown): void => {
      try {
        work();
      } catch (error) {
        if (!(error instanceof MagdiError)) throw error;
        found.push(`${place}: ${error.message}`);
      }
    };
    if (row.recipe !== undefined) tried(`rows.${index}`, () => rowTraining(table, row));
    for (const name of new Set(row.parts.flatMap(({ asked }) => asked))) {
      tried(`rows.${index}, task ${name}`, () => rowEvaluation(table, row, name));
    }
    if (row.parts.length === 0 && found.length === 0) {
      found.push(`rows.${index}.data: expected a task with data and questions, found none`);
    }
    return found;
  });
  return [...new Set(problems)];
}
