// metrics.jsonl of a run: one JSON line for each optimiser step and validation, appended as they happen. It knows no
// curves.

import { existsSync } from "node:fs";
import { z } from "zod";
import { MagdiError } from "../../base/errors.ts";
import { AppendLog, readLogLines } from "../../base/files/append-log.ts";
import { RESUME } from "../../base/files/write-errors.ts";

const losses = { loss: z.number(), nll: z.number(), margin: z.number(), node: z.number() };

const lineSchema = z.discriminatedUnion("kind", [
  z.object({
    kind: z.literal("step"),
    /** Optimiser steps done. */
    step: z.number(),
    /** Epochs done, with a fraction. */
    epoch: z.number(),
    ...losses,
    nodeAccuracy: z.number().nullable(),
    learningRate: z.number(),
    /** Before clipping. */
    gradientNorm: z.number(),
    /** Real tokens, without padding. */
    tokens: z.number(),
    tokensPerSecond: z.number(),
    /** Since the run began, pauses not counted. */
    seconds: z.number(),
  }),
  z.object({
    kind: z.literal("validation"),
    step: z.number(),
    epoch: z.number(),
    ...losses,
    /** Share of nodes that the classifier is right about; null without one. */
    nodeAccuracy: z.number().nullable(),
    /** Of always predicting the most frequent label. */
    majorityAccuracy: z.number().nullable(),
  }),
  z.object({ kind: z.literal("best"), step: z.number(), loss: z.number() }),
  z.object({
    kind: z.literal("end"),
    step: z.number(),
    reason: z.enum(["done", "early-stop"]),
    seconds: z.number(),
  }),
]);

export type RunLogLine = z.infer<typeof lineSchema>;
export type StepLine = Extract<RunLogLine, { kind: "step" }>;
export type ValidationLine = Extract<RunLogLine, { kind: "validation" }>;

/** The lines of a log; a last line that a crash cut short is left out.
 * @throws MAGDI_FILE_MISSING, or, without `onBroken`, MAGDI_BAD_FILE for a line that is none of ours. */
export function readRunLog(file: string, onBroken?: (lineNumber: number) => void): RunLogLine[] {
  if (!existsSync(file)) {
    throw new MagdiError(
      "MAGDI_FILE_MISSING",
      `${file}: expected the metrics of a training run, found no file`,
    );
  }
  return parsedLines(file, readLogLines(file), onBroken);
}

function parsedLines(
  file: string,
  texts: readonly string[],
  onBroken?: (lineNumber: number) => void,
): RunLogLine[] {
  return texts.flatMap((text, index) => {
    const parsed = lineSchema.safeParse(parsedOrUndefined(text));
    if (parsed.success) return [parsed.data];
    if (onBroken !== undefined) {
      onBroken(index + 1);
      return [];
    }
    throw new MagdiError(
      "MAGDI_BAD_FILE",
      `${file}:${index + 1}: expected a line of training metrics, found ${JSON.stringify(text.slice(0, 80))}`,
    );
  });
}

function parsedOrUndefined(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Opens a log to go on after optimiser step `step`: a torn last line, what came later and, unless the run has
 * finished, its end are cut off, and nothing before is written anew.
 * @throws MAGDI_BAD_FILE for a line that is none of ours, MAGDI_NOT_WRITTEN */
export function openRunLog(file: string, step: number, finished = false): AppendLog {
  const keep = (texts: readonly string[]): number => {
    const later = parsedLines(file, texts).findIndex(
      (line) => line.step > step || (line.kind === "end" && !finished),
    );
    return later < 0 ? texts.length : later;
  };
  return AppendLog.open(file, keep, RESUME);
}
