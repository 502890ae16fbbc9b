// The questions of a file: which benchmark it is, which of its records are asked, and what is done about broken ones.

import { createHash } from "node:crypto";
import path from "node:path";
import { MagdiError } from "../errors.ts";
import { knownDataset } from "./datasets.ts";
import type { Question } from "./question.ts";
import { datasetOf, QUESTION_FORMATS, taskOf, WrongRecord } from "./question-formats.ts";
import { contentOf, type RawRecord, readRecords } from "./record-file.ts";

export interface ReadingOptions {
  /** The benchmark, where neither records nor the file's name tell it. */
  readonly dataset: string | null;
  /** Questions for this use; "eval" takes also those that say nothing; "all" takes every one. */
  readonly use: string;
  /** At most so many of each data set, spread evenly over it; null for all. */
  readonly limit: number | null;
  readonly onBadRecord: "stop" | "skip";
}

export interface QuestionFile {
  readonly path: string;
  readonly sha256: string;
  readonly questions: readonly Question[];
  /** Records that were passed over, each with its place and what is wrong with it. */
  readonly skipped: readonly string[];
  /** Records for another use. */
  readonly otherUse: number;
}

/**
 * @throws MagdiError MAGDI_FILE_MISSING, MAGDI_BAD_FILE naming the line, unless broken records are skipped
 */
export function readQuestions(file: string, options: ReadingOptions): QuestionFile {
  const skipped: string[] = [];
  const questions: Question[] = [];
  const seen = new Map<string, string>();
  let otherUse = 0;
  for (const raw of readRecords(file)) {
    if (raw.problem === null && !isFor(options.use, useOf(raw.value))) {
      otherUse += 1;
      continue;
    }
    try {
      const question = questionOf(raw, file, options);
      const key = `${question.dataset} ${question.id}`;
      const before = seen.get(key);
      if (before !== undefined) throw new WrongRecord(`id: expected one of its own, found that of ${before}`);
      seen.set(key, raw.where);
      questions.push(question);
    } catch (error) {
      if (!(error instanceof WrongRecord)) throw error;
      const message = `${raw.where}: ${error.message}`;
      if (options.onBadRecord === "stop") {
        throw new MagdiError("MAGDI_BAD_FILE", `${message}; --on-bad-line skip goes on without it`);
      }
      skipped.push(message);
    }
  }
  const hash = createHash("sha256");
  for (const bytes of contentOf(file)) hash.update(bytes);
  return {
    path: file,
    sha256: hash.digest("hex"),
    questions: limited(questions, options.limit),
    skipped,
    otherUse,
  };
}

function isFor(wanted: string, use: string | null): boolean {
  return wanted === "all" || use === wanted || (wanted === "eval" && use === null);
}

function useOf(value: unknown): string | null {
  const use = typeof value === "object" && value !== null && "use" in value ? value.use : null;
  return typeof use === "string" ? use : null;
}

function questionOf(raw: RawRecord, file: string, options: ReadingOptions): Question {
  if (raw.problem !== null) throw new WrongRecord(raw.problem);
  if (typeof raw.value !== "object" || raw.value === null || Array.isArray(raw.value)) {
    throw new WrongRecord(
      `expected a question's record, found ${(JSON.stringify(raw.value) ?? "nothing").slice(0, 60)}`,
    );
  }
  // An object that is neither null nor an array; its values stay unknown.
  const fields = raw.value as Readonly<Record<string, unknown>>;
  const format = QUESTION_FORMATS.find((one) => one.holds(fields))!; // the last one holds every record
  const read = format.read(fields);
  const stem = path.basename(file).replace(/(?:\.(?:jsonl?|gz))+$/, "");
  const known = options.dataset === null ? datasetOf(format, fields, stem) : knownDataset(options.dataset);
  const dataset = known?.name ?? options.dataset ?? stem;
  const task = read.choices !== null ? "multiple-choice" : (known?.task ?? taskOf(read));
  return { ...read, dataset, id: read.id ?? `${dataset}-${raw.name}`, task };
}

/** Every k-th question of each data set, so that a part stands for the whole, whatever it is sorted by. */
function limited(questions: readonly Question[], limit: number | null): Question[] {
  if (limit === null) return [...questions];
  const sizes = new Map<string, number>();
  for (const { dataset } of questions) sizes.set(dataset, (sizes.get(dataset) ?? 0) + 1);
  const at = new Map<string, number>();
  return questions.filter(({ dataset }) => {
    const index = at.get(dataset) ?? 0;
    at.set(dataset, index + 1);
    const size = sizes.get(dataset) ?? 0;
    const wanted = Math.min(limit, size);
    return Math.floor(((index + 1) * wanted) / size) > Math.floor((index * wanted) / size);
  });
}
