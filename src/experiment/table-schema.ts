// What the file of an experiment may hold.

import { z } from "zod";
import { shown } from "../base/files/json-file.ts";

/** A row's comparison with the one above it. */
export const ROW_ABOVE = "row above";
/** What a row's students learn from: each task's data apart, or those of all tasks together. */
export const APART = "each";
export const JOINTLY = "all";

const settings = z.record(z.string(), z.unknown()).default({});
const paths = z.array(z.string().min(1));
const byTask = z.record(z.string(), z.number().min(0)).default({});
const seeds = z.array(z.int().min(0).max(4_294_967_295)).min(1);

const NAME = "expected a name of letters, digits, dots and hyphens";

const taskSchema = z.strictObject({
  /** Files of MAGs to learn from, and to validate on instead of a share of them. */
  data: paths.default([]),
  validation: paths.default([]),
  /** Files of questions to ask, in any layout that magdi eval reads. */
  questions: paths.default([]),
  evaluation: settings,
});

const rowSchema = z.strictObject({
  name: z.string().min(1),
  /** Makes the row's students; or the row asks those of another one, with settings of its own. */
  recipe: z.string().exactOptional(),
  student: z.string().exactOptional(),
  data: z
    .union([z.string(), paths.min(1)], {
      error: ({ input }) =>
        `expected "${APART}", "${JOINTLY}", a task or a list of tasks, found ${shown(input)}`,
    })
    .default(APART),
  base: z.string().min(1).exactOptional(),
  seeds: seeds.exactOptional(),
  training: settings,
  evaluation: settings,
  against: z.string().nullable().exactOptional(),
  /** The row's place in the figure, and the line that it belongs to. */
  x: z.number().exactOptional(),
  series: z.string().exactOptional(),
  /** What a paper reports for the row: accuracies in per cent and tokens an answer, by task. */
  paper: z.strictObject({ accuracy: byTask, tokens: byTask }).exactOptional(),
});

export const tableSchema = z.strictObject({
  title: z.string().min(1),
  /** Said below the title. */
  notes: z.array(z.string()).default([]),
  base: z.string().min(1),
  tasks: z.record(z.string().regex(/^\w[\w.-]*$/, { error: () => NAME }), taskSchema),
  training: settings,
  evaluation: settings,
  engine: settings,
  seeds: seeds.default([0]),
  against: z.string().nullable().default(null),
  figure: z
    .strictObject({ x: z.string().min(1) })
    .nullable()
    .default(null),
  rows: z.array(rowSchema).min(1),
});
