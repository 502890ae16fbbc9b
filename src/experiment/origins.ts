// What students and answers that are there were made of, so that a changed table is told from the one that made them.

import { existsSync } from "node:fs";
import path from "node:path";
import { z } from "zod";
import { MagdiError } from "../base/errors.ts";
import { dataHash } from "../base/files/data-hash.ts";
import { checked, readJson } from "../base/files/json-file.ts";
import { readRegularText } from "../base/files/regular-file.ts";
import { writeWholeFile } from "../base/files/whole-file.ts";
import type { EngineSettings } from "../eval/engine-asker.ts";
import { readReport, runFiles } from "../eval/report.ts";
import { readManifest } from "../student/manifest.ts";
import { trainingSettings } from "../train/run/setting-groups.ts";
import type { TrainingSettings } from "../train/run/training-settings.ts";
import {
  type AnswersPlan,
  type ExperimentPlan,
  isAnswered,
  isMade,
  type StudentPlan,
  studentFolderOf,
} from "./plan.ts";

/** Beside the files of a student's training run. */
const ORIGIN_FILE = "origin.json";
const FORMAT = 1;

/** Settings that say where things are, or change the last bits only. */
const LEFT_OUT = ["data", "validation", "out", "device", "threads"] as const;

const fileSchema = z.object({ file: z.string(), sha256: z.string() });
const originSchema = z.object({
  format: z.literal(FORMAT),
  settings: z.record(z.string(), z.unknown()),
  data: z.array(fileSchema),
  validation: z.array(fileSchema),
});

type Origin = z.output<typeof originSchema>;
type HashOf = (file: string) => Promise<string>;

/** Each file is read once. */
function hashing(): HashOf {
  const known = new Map<string, Promise<string>>();
  return (file) => {
    const hash = known.get(file) ?? dataHash(file);
    known.set(file, hash);
    return hash;
  };
}

async function originOf({ settings }: StudentPlan, hashOf: HashOf): Promise<Origin> {
  const hashed = async (files: readonly string[]) =>
    Promise.all(files.map(async (file) => ({ file: path.basename(file), sha256: await hashOf(file) })));
  return {
    format: FORMAT,
    settings: comparable(settings),
    data: await hashed(settings.data),
    validation: await hashed(settings.validation),
  };
}

function comparable(settings: TrainingSettings): Record<string, unknown> {
  const entries = Object.entries(settings).filter(([key]) => !LEFT_OUT.some((name) => name === key));
  return Object.fromEntries(entries);
}

/** Says of a run that has begun what it is made of. */
export async function writeOrigin(student: StudentPlan): Promise<void> {
  const origin = await originOf(student, dataHash);
  writeWholeFile(path.join(student.folder, ORIGIN_FILE), `${JSON.stringify(origin, null, 2)}\n`);
}

export const hasOrigin = ({ folder }: StudentPlan): boolean => existsSync(path.join(folder, ORIGIN_FILE));

/**
 * Refuses students and answers of the plan that are there and were made otherwise than the table says now.
 * @throws MAGDI_BAD_CONFIG naming each row, what changed and what to do
 */
export async function assertUnchanged(plan: ExperimentPlan, engine: EngineSettings): Promise<void> {
  const hashOf = hashing();
  const changed = new Map<string, string>();
  const say = (key: string, row: string, changes: readonly string[], remedy: string): void => {
    // A row's other students and tasks have changed alike.
    if (changes.length > 0 && !changed.has(key))
      changed.set(key, `  row ${row}: ${changes.join(", ")}; ${remedy}`);
  };
  for (const student of plan.students.filter(hasOrigin)) {
    const changes = await studentChanges(student, hashOf);
    const made = path.dirname(path.dirname(student.folder));
    const asked = path.join(plan.out, "answers", path.basename(made));
    say(`student ${student.row}`, student.row, changes, `to train it anew delete ${made} and ${asked}`);
  }
  for (const answers of plan.answers) {
    const asked = path.dirname(path.dirname(path.dirname(answers.report)));
    const changes = answersChanges(answers, engine);
    say(`answers ${answers.row}`, answers.row, changes, `to ask its questions anew delete ${asked}`);
  }
  if (changed.size === 0) return;
  throw new MagdiError(
    "MAGDI_BAD_CONFIG",
    `${plan.out}: expected rows as they were when they ran, found others:\n${[...changed.values()].join("\n")}\nOr undo the change, give the row another name, or leave it out with --only`,
  );
}

async function studentChanges(student: StudentPlan, hashOf: HashOf): Promise<string[]> {
  const file = path.join(student.folder, ORIGIN_FILE);
  const before = checked(originSchema, readJson(file, "what a student is made of"), file);
  const now = await originOf(student, hashOf);
  // Settings that it was begun without have their defaults.
  const was = comparable(trainingSettings.parse(before.settings));
  const settings = Object.entries(now.settings).flatMap(([key, value]) =>
    same(was[key], value) ? [] : [changeOf(key, was[key], value)],
  );
  const files = (["data", "validation"] as const).filter(
    (key) =>
      !same(
        before[key].map(({ sha256 }) => sha256),
        now[key].map(({ sha256 }) => sha256),
      ),
  );
  return [...settings, ...files.map((key) => `${key} (${student.part}) has other contents`)];
}

const headSchema = z.object({
  settings: z.record(z.string(), z.unknown()),
  data: z.array(z.object({ sha256: z.string(), questions: z.number() })),
  model: z.object({ dtype: z.string().nullable(), files: z.record(z.string(), z.string()).nullable() }),
});

/** Of a report, or of a run that was interrupted. */
function answersChanges(answers: AnswersPlan, engine: EngineSettings): string[] {
  const head = isAnswered(answers)
    ? readReport(answers.report)
    : journalHead(runFiles(answers.report).journal);
  if (head === null) return [];
  const was: Readonly<Record<string, unknown>> = head.settings;
  const settings = Object.entries(answers.settings).flatMap(([key, value]) =>
    same(was[key], value) ? [] : [changeOf(key, was[key], value)],
  );
  const asked = answers.files.map(({ sha256, questions }) => ({ sha256, questions: questions.length }));
  const before = head.data.map(({ sha256, questions }) => ({ sha256, questions }));
  const files = same(asked, before) || settings.length > 0 ? [] : [`other questions of ${answers.task}`];
  const { dtype } = head.model;
  const format =
    engine.dtype === null || engine.dtype === dtype ? [] : [changeOf("engine.dtype", dtype, engine.dtype)];
  return [...settings, ...files, ...format, ...studentOf(answers, head.model.files)];
}

/** Whether the answers are the student's that is there; one that was deleted cannot tell. */
function studentOf({ student }: AnswersPlan, hashes: Readonly<Record<string, string>> | null): string[] {
  if (!isMade(student) || hashes === null) return [];
  const { files } = readManifest(studentFolderOf(student));
  const isOther = Object.entries(hashes).some(([name, hash]) => files[name]?.sha256 !== hash);
  return isOther ? ["its answers are of a student that was made before"] : [];
}

function journalHead(file: string): z.output<typeof headSchema> | null {
  if (!existsSync(file)) return null;
  const [first = ""] = readRegularText(file).split("\n", 1);
  try {
    return headSchema.parse(JSON.parse(first));
  } catch {
    return null; // cut short: nothing is answered yet
  }
}

const same = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);

function changeOf(key: string, before: unknown, now: unknown): string {
  return `${key} was ${JSON.stringify(before)} and is ${JSON.stringify(now)}`;
}
