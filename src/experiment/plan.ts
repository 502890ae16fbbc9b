// What an experiment has to do: the students to make and the questions to ask each, and where both lie.

import { existsSync } from "node:fs";
import path from "node:path";
import { readQuestionFiles } from "../eval/evaluation.ts";
import type { QuestionFile } from "../eval/question-file.ts";
import type { EvalSettings } from "../eval/settings.ts";
import { MANIFEST_FILE } from "../student/manifest.ts";
import { STUDENT_FOLDER } from "../train/run/run-files.ts";
import type { TrainingSettings } from "../train/run/training-settings.ts";
import { rowEvaluation, rowTraining, type Table, type TableRow } from "./table.ts";

export interface StudentPlan {
  /** The row that makes it. */
  readonly row: string;
  readonly part: string;
  readonly seed: number;
  /** Of its training run. */
  readonly folder: string;
  readonly settings: TrainingSettings;
}

export interface AnswersPlan {
  /** The row that shows them; the student may be another one's. */
  readonly row: string;
  readonly task: string;
  readonly student: StudentPlan;
  /** The report of the evaluation. */
  readonly report: string;
  readonly settings: EvalSettings;
  readonly files: readonly QuestionFile[];
}

export interface ExperimentPlan {
  readonly table: Table;
  readonly out: string;
  readonly students: readonly StudentPlan[];
  readonly answers: readonly AnswersPlan[];
}

/** What a machine decides, which changes the last bits at most. */
export type Machine = Partial<Pick<TrainingSettings, "device" | "threads">>;

/**
 * All questions are read, no data.
 * @throws MagdiError as reading questions does
 */
export async function planExperiment(
  table: Table,
  out: string,
  machine: Machine = {},
): Promise<ExperimentPlan> {
  const here = (file: string): string => (existsSync(file) ? path.resolve(file) : file);
  const read = new Map<string, Promise<QuestionFile[]>>();
  const filesOf = (task: string, settings: EvalSettings): Promise<QuestionFile[]> => {
    const { dataset, use, limit, on_bad_line } = settings;
    const key = JSON.stringify([task, dataset, use, limit, on_bad_line]);
    const known = read.get(key) ?? readQuestionFiles(table.tasks[task]?.questions.map(here) ?? [], settings);
    read.set(key, known);
    return known;
  };
  const studentsOf = (row: TableRow): StudentPlan[] =>
    row.parts.flatMap((part) =>
      row.seeds.map((seed) => {
        const files = (key: "data" | "validation") =>
          part.taught.flatMap((task) => table.tasks[task]?.[key].map(here) ?? []);
        const settings = rowTraining(table, row);
        const folder = path.join(out, "students", row.folder, part.name, `seed-${seed}`);
        return {
          row: row.name,
          part: part.name,
          seed,
          folder,
          settings: {
            ...settings,
            ...machine,
            base: settings.base === null ? null : here(settings.base),
            data: files("data"),
            validation: files("validation"),
            seed,
            out: folder,
          },
        };
      }),
    );
  const students = table.rows.filter((row) => row.makes === row.name).flatMap(studentsOf);
  const answers: AnswersPlan[] = [];
  for (const row of table.rows) {
    for (const student of students.filter((one) => one.row === row.makes)) {
      const part = row.parts.find(({ name }) => name === student.part);
      for (const task of part?.asked ?? []) {
        const settings = rowEvaluation(table, row, task);
        const folder = path.join(out, "answers", row.folder, student.part, `seed-${student.seed}`);
        const files = await filesOf(task, settings);
        answers.push({
          ...{ row: row.name, task, student, settings, files },
          report: path.join(folder, `${task}.json`),
        });
      }
    }
  }
  return { table, out, students, answers };
}

/** The plan of some rows, with the students that they ask. */
export function planOf(plan: ExperimentPlan, rows: readonly string[]): ExperimentPlan {
  const answers = plan.answers.filter(({ row }) => rows.includes(row));
  const students = plan.students.filter((student) => answers.some((one) => one.student === student));
  return { ...plan, students, answers };
}

export const studentFolderOf = ({ folder }: StudentPlan): string => path.join(folder, STUDENT_FOLDER);

export const isMade = (student: StudentPlan): boolean =>
  existsSync(path.join(studentFolderOf(student), MANIFEST_FILE));

export const isAnswered = ({ report }: AnswersPlan): boolean => existsSync(report);

/** What the student has still to be asked. */
export const unanswered = ({ answers }: ExperimentPlan, student: StudentPlan): AnswersPlan[] =>
  answers.filter((one) => one.student === student && !isAnswered(one));

/** Students that have still to be made. */
export const toMake = (plan: ExperimentPlan): StudentPlan[] =>
  plan.students.filter((student) => unanswered(plan, student).length > 0 && !isMade(student));

/** "MAGDi, gsm8k, seed 1" */
export function nameOf({ row, part, seed }: StudentPlan): string {
  return `${row}, ${part}, seed ${seed}`;
}

export const samplesOf = ({ files, settings }: AnswersPlan): number =>
  settings.samples * files.reduce((sum, { questions }) => sum + questions.length, 0);
