// Reads the questions of a benchmark's file or folder.

import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import path from "node:path";
import { canonicalAnswer } from "../answers/answer.ts";
import { taskOf } from "../answers/task.ts";
import { MagdiError } from "../base/errors.ts";
import { dataHash } from "../base/files/data-hash.ts";
import { isObject, shown } from "../base/files/json-file.ts";
import { type JsonRecord, readJsonRecords } from "../base/files/json-records.ts";
import { knownTask, namedDataset } from "./datasets.ts";
import { explanationIn } from "./explanation.ts";
import type { Question } from "./question-formats.ts";
import { datasetOf, QUESTION_FORMATS, type RecordQuestion } from "./question-formats.ts";
import { type Place, WrongRecord, yesNo } from "./record-fields.ts";

export interface ReadingOptions {
  /** The benchmark, if neither the records nor the file's name tell it. */
  readonly dataset: string | null;
  /** Questions with this use; "all" takes every question. */
  readonly use: string;
  /** The use of records that name none. Default "eval". */
  readonly unmarked?: string;
  readonly onBadRecord: "stop" | "skip";
}

export interface QuestionFile {
  readonly path: string;
  readonly sha256: string;
  readonly questions: readonly Question[];
  /** Skipped records, each with its place and what is wrong with it. */
  readonly skipped: readonly string[];
  /** Records for another use. */
  readonly otherUse: number;
}

/** All of them are kept, and go into the report. */
const MOST_SKIPPED = 10_000;

/** @throws MagdiError MAGDI_FILE_MISSING, MAGDI_BAD_FILE naming the line, unless broken records are skipped */
export async function readQuestions(file: string, options: ReadingOptions): Promise<QuestionFile> {
  const skipped: string[] = [];
  const questions: Question[] = [];
  const placed = new PlacedAnswers();
  const seen = new Map<string, string>();
  const unnamed = new Map<string, number>();
  let otherUse = 0;
  const onBroken = (message: string): void => {
    if (options.onBadRecord === "stop") {
      throw new MagdiError("MAGDI_BAD_FILE", `${message}; --on-bad-line skip goes on without it`);
    }
    skipped.push(message);
    if (skipped.length > MOST_SKIPPED) {
      throw new MagdiError(
        "MAGDI_BAD_FILE",
        `${message}; it is one of more than ${MOST_SKIPPED} broken records: is this a file of questions?`,
      );
    }
  };
  if (!existsSync(file)) {
    throw new MagdiError("MAGDI_FILE_MISSING", `${file}: expected a file of questions, found none`);
  }
  for await (const raw of readJsonRecords(file, ({ message }) => onBroken(message))) {
    const use = useOf(raw.value) ?? options.unmarked ?? "eval";
    if (options.use !== "all" && use !== options.use) {
      otherUse += 1;
      continue;
    }
    try {
      const { question, place } = questionOf(raw, file, options, unnamed);
      const key = `${question.dataset} ${question.id}`;
      const before = seen.get(key);
      if (before !== undefined) throw new WrongRecord(`id: expected a unique one, found that of ${before}`);
      seen.set(key, raw.where);
      if (place !== null) placed.add(raw.where, place, questions.length, question.choices?.length ?? 0);
      questions.push(question);
    } catch (error) {
      if (!(error instanceof WrongRecord)) throw error;
      onBroken(`${raw.where}: ${error.message}`);
    }
  }
  const sha256 = await dataHash(file);
  placed.name(questions);
  return { path: file, sha256, questions, skipped, otherUse };
}

function useOf(value: unknown): string | null {
  return isObject(value) && typeof value.use === "string" ? value.use : null;
}

function questionOf(
  raw: JsonRecord,
  file: string,
  options: ReadingOptions,
  unnamed: Map<string, number>,
): { question: Question; place: Place | null } {
  const fields = raw.value;
  if (!isObject(fields)) throw new WrongRecord(`expected a question's record, found ${shown(fields)}`);
  const format = QUESTION_FORMATS.find((one) => one.holds(fields))!; // the last one matches every record
  const read = format.read(fields);
  const stem = path.basename(file).replace(/(?:\.(?:jsonl?|gz))+$/, "");
  const known = options.dataset === null ? datasetOf(format, fields, stem) : namedDataset(options.dataset);
  const dataset = known?.name ?? options.dataset ?? stem;
  const place = typeof read.gold === "string" ? null : read.gold;
  const told = typeof read.gold === "string" ? read.gold : "";
  const task = knownTask(known, taskOf(read.question, read.choices, told));
  const gold = task === "yes-no" && canonicalAnswer(task, told) === null ? yesNo(told, "answer") : told;
  const id = read.id ?? `${dataset}-${raw.name ?? contentName(read, unnamed)}`;
  const explanation = explanationIn(fields);
  const use = useOf(fields);
  const question = {
    ...{ ...read, gold, dataset, id, task },
    ...(explanation === undefined ? {} : { explanation }),
    ...(use === null ? {} : { use }),
  };
  return { question, place };
}

/**
 * Right choices that are told by their places. Whether these count from 0 or from 1 is told by a place that only one of
 * them has: 0, or the number of choices.
 */
class PlacedAnswers {
  readonly #all: { where: string; place: Place; index: number; choices: number }[] = [];

  add(where: string, place: Place, index: number, choices: number): void {
    this.#all.push({ where, place, index, choices });
  }

  /** Puts the labels into the questions. @throws MAGDI_BAD_FILE when no place tells, or two contradict each other */
  name(questions: Question[]): void {
    const [any] = this.#all;
    if (any === undefined) return;
    const fromZero = this.#all.find(({ place }) => place.place === 0);
    const fromOne = this.#all.find(({ place, choices }) => place.place === choices);
    if ((fromZero === undefined) === (fromOne === undefined)) {
      const both = fromZero !== undefined && fromOne !== undefined;
      const found = both
        ? `0, and the number of choices at ${fromOne.where}`
        : `${any.place.place}, which may count from 0 or from 1`;
      throw new MagdiError(
        "MAGDI_BAD_FILE",
        `${(fromZero ?? any).where}: ${any.place.field}: expected a choice's label, found ${found}; write the labels (A, B, …)`,
      );
    }
    const first = fromZero === undefined ? 1 : 0;
    for (const { place, index } of this.#all) {
      const question = questions[index]!; // added with its index
      questions[index] = { ...question, gold: question.choices?.[place.place - first]?.label ?? "" };
    }
  }
}

/** The id of a question without one: a hash of its words, so that it does not depend on its place. */
function contentName({ question, passage, choices }: RecordQuestion, unnamed: Map<string, number>): string {
  const words = JSON.stringify([question, passage, choices]);
  const name = createHash("sha256").update(words).digest("hex").slice(0, 12);
  const times = (unnamed.get(name) ?? 0) + 1;
  unnamed.set(name, times);
  return times === 1 ? name : `${name}-${times}`;
}

/** Every k-th question of each data set over all files, so that a part stands for the whole, whatever it is sorted by. */
export function limitQuestions(files: readonly QuestionFile[], limit: number | null): QuestionFile[] {
  if (limit === null) return [...files];
  const sizes = new Map<string, number>();
  for (const { dataset } of files.flatMap(({ questions }) => questions)) {
    sizes.set(dataset, (sizes.get(dataset) ?? 0) + 1);
  }
  const at = new Map<string, number>();
  const isDrawn = ({ dataset }: Question) => {
    const index = at.get(dataset) ?? 0;
    at.set(dataset, index + 1);
    const size = sizes.get(dataset) ?? 0;
    const wanted = Math.min(limit, size);
    return Math.floor(((index + 1) * wanted) / size) > Math.floor((index * wanted) / size);
  };
  return files.map((file) => ({ ...file, questions: file.questions.filter(isDrawn) }));
}
