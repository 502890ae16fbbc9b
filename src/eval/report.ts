// The report of a run as JSON: model, settings, data and results. Equal seeds give equal bytes, so times are in a file
// of their own.

import { createHash } from "node:crypto";
import { mkdirSync, statSync } from "node:fs";
import path from "node:path";
import { z } from "zod";
import { MagdiError } from "../base/errors.ts";
import { checked, readJson } from "../base/files/json-file.ts";
import { kindOf, ONE_TEXT_BYTES, readRegularText } from "../base/files/regular-file.ts";
import { WholeFile } from "../base/files/whole-file.ts";
import { writing } from "../base/files/write-errors.ts";
import { type AnswerRecord, answerRecordSchema } from "./answer-record.ts";
import { DEFAULT_WAVE, settingsSchema } from "./settings.ts";
import type { DatasetSummary } from "./summary.ts";

const headSchema = z.object({
  format: z.literal("magdi-eval-1"),
  magdi: z.string(),
  model: z.object({
    name: z.string(),
    kind: z.enum(["folder", "reason", "chat"]),
    dtype: z.string().nullable(),
    files: z.record(z.string(), z.string()).nullable(),
    left_out: z.array(z.string()),
    /** Null for a server, and in older reports. */
    device: z.string().nullable().default(null),
    context_length: z.number().int().nullable().default(null),
    /** As --model was given; null for the shipped student. */
    source: z.string().nullable(),
    /** As --model-name was given. */
    asked_name: z.string().nullable(),
  }),
  settings: settingsSchema.extend({
    /** Not in older reports. */
    wave: settingsSchema.shape.wave.default(DEFAULT_WAVE),
  }),
  data: z.array(
    z.object({
      file: z.string(),
      sha256: z.string(),
      questions: z.number().int(),
      other_use: z.number().int(),
      skipped: z.array(z.string()),
    }),
  ),
});

const reportSchema = headSchema.extend({
  /** SHA-256 of the file of answers beside the report. */
  answers_sha256: z.string(),
  results: z.array(z.custom<DatasetSummary>((value) => typeof value === "object" && value !== null)),
});

export type Report = z.output<typeof reportSchema>;

/** Null if the server reports no token counts. */
const rateSchema = z.number().nullable();
const timingSchema = z.object({
  seconds: z.number(),
  tokens_per_second: rateSchema,
  results: z.array(z.object({ dataset: z.string(), seconds: z.number(), tokens_per_second: rateSchema })),
});

export type Timing = z.output<typeof timingSchema>;

/** The files of a run, all named after its report. */
export function runFiles(report: string) {
  const stem = report.replace(/\.json$/, "");
  return {
    report,
    answers: `${stem}.answers.jsonl`,
    timing: `${stem}.timing.json`,
    journal: `${stem}.partial.jsonl`,
    markdown: `${stem}.md`,
  };
}

/** Less than the files of any run, and more than a full disk has. */
const PROBE_BYTES = 2 ** 16;

/**
 * Makes the folder of a run's files and tries to write there, before hours are spent on what cannot be kept.
 * @throws MagdiError MAGDI_BAD_CONFIG where a folder or a device has the name of one of the files, MAGDI_NOT_WRITTEN
 */
export function prepareRunFiles(report: string): void {
  for (const file of Object.values(runFiles(report))) assertFileName(file, "--json");
  writing(report, () => mkdirSync(path.dirname(path.resolve(report)), { recursive: true }));
  const probe = new WholeFile(report);
  probe.write(Buffer.alloc(PROBE_BYTES));
  probe.close();
  probe.discard();
}

/** @throws MagdiError MAGDI_BAD_CONFIG naming the flag where a folder or a device has that name */
export function assertFileName(file: string, flag: string): void {
  const found = writing(file, () => statSync(file, { throwIfNoEntry: false }));
  if (found === undefined || found.isFile()) return;
  throw new MagdiError(
    "MAGDI_BAD_CONFIG",
    `${flag}: expected the name of a file, beside which others are written; found ${kindOf(found)} at ${file}`,
  );
}

/** Fractions are rounded to nine digits, so that a sum's last bits do not change the report. */
export function reportText(value: object): string {
  const rounded = (_: string, item: unknown) =>
    typeof item === "number" && !Number.isInteger(item) ? Number(item.toPrecision(9)) : item;
  return `${JSON.stringify(value, rounded, 2)}\n`;
}

export function answersText(records: readonly AnswerRecord[]): string {
  return records.map((record) => `${JSON.stringify(record)}\n`).join("");
}

export function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

/** @throws MagdiError MAGDI_FILE_MISSING, MAGDI_BAD_FILE */
export function readReport(file: string): Report {
  return checked(reportSchema, readJson(file, "a report of magdi eval"), file);
}

/** Null if the file of times does not exist. */
export function readTiming(report: string): Timing | null {
  try {
    const { timing } = runFiles(report);
    return checked(timingSchema, readJson(timing, "a run's times"), timing);
  } catch (error) {
    if (error instanceof MagdiError && error.code === "MAGDI_FILE_MISSING") return null;
    throw error;
  }
}

/** The answers of a report. @throws MagdiError MAGDI_FILE_MISSING, MAGDI_BAD_FILE if they are another run's */
export function readAnswers(file: string, report: Report): AnswerRecord[] {
  const { answers } = runFiles(file);
  let text: string;
  try {
    text = readRegularText(answers, { maxBytes: ONE_TEXT_BYTES });
  } catch (cause) {
    if (cause instanceof MagdiError && cause.code !== "MAGDI_FILE_MISSING") throw cause;
    const message = `${answers}: expected the answers of ${file}, found none that can be read`;
    throw new MagdiError("MAGDI_FILE_MISSING", message, { cause });
  }
  if (sha256(text) !== report.answers_sha256) {
    throw new MagdiError(
      "MAGDI_BAD_FILE",
      `${answers}: expected the answers that ${file} was counted from, found others`,
    );
  }
  return text
    .split("\n")
    .slice(0, -1)
    .map((line) => answerRecordSchema.parse(JSON.parse(line)));
}
