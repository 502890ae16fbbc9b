// The messages of a training run.

import type { RunData } from "../train/run/run-data.ts";
import type { ValidationLine } from "../train/run/run-log.ts";
import type { TrainingOutcome, TrainingProgress } from "../train/run/trainer.ts";
import type { TrainingRunResult } from "../train/run/training-run.ts";
import type { TrainingSettings } from "../train/run/training-settings.ts";
import type { TrainingStep } from "../train/step/training-step.ts";

/** A line on the training data, and one for each thing that may need attention. */
export function dataTexts(
  { training, validation, validationLost, alsoInValidation, idleLosses }: RunData,
  step: Pick<TrainingStep, "parameters">,
  { microBatchTokens, dataFormat }: Pick<TrainingSettings, "microBatchTokens" | "dataFormat">,
): string[] {
  const { counts, taught, mags, of, promptsRejoined } = training;
  const { rows, tokens, promptsTooLong, rowsDropped, rowsCut, unsayableAnswers } = counts;
  const parameters = [...step.parameters.values()].reduce((sum, { length }) => sum + length, 0);
  const records = dataFormat === "chat" ? "examples" : "MAGs";
  const labels = dataFormat === "chat" ? "" : ` (${taught.right} right, ${taught.wrong} wrong)`;
  const lines = [
    `${mags === of ? mags : `${mags} of ${of}`} ${records}, ${rows} rows${labels}, ${tokens} tokens for training; ${validation?.mags ?? 0} ${records} for validation; ${parameters.toLocaleString("en")} parameters`,
  ];
  if (promptsTooLong + rowsDropped + rowsCut + unsayableAnswers + alsoInValidation > 0) {
    lines.push(
      `left out: ${promptsTooLong} ${records} whose prompt is too long, ${rowsDropped} rows that are too long, ${unsayableAnswers} rows whose answer cannot be expressed in tokens, ${alsoInValidation} ${records} that are in the validation data too; cut: ${rowsCut} rows`,
    );
  }
  for (const why of idleLosses) lines.push(`nothing to learn from in ${why}`);
  if (validationLost > 0) {
    lines.push(
      `no validation, and no early stop: nothing is left of ${validationLost} ${records} held out for it`,
    );
  }
  if (promptsRejoined > 0) {
    lines.push(
      `${promptsRejoined} prompts end in other tokens before their completion than alone: the completion begins where they part`,
    );
  }
  const largest = training.data.items.reduce((most, { rows, columns }) => Math.max(most, rows * columns), 0);
  if (largest > microBatchTokens) {
    lines.push(
      `the largest graph has ${largest} tokens with padding, more than the ${microBatchTokens} of a micro-batch: it runs alone and needs more memory; --max-tokens and --recompute true reduce it`,
    );
  }
  return lines;
}

/** The terms of a loss that has several. */
function termsText(terms: Readonly<Record<string, number>>): string {
  const each = Object.entries(terms).map(([name, value]) => `${name} ${value.toFixed(4)}`);
  return each.length > 1 ? ` (${each.join(", ")})` : "";
}

/** Printed after the step's number. */
export function stepText({ loss, terms, tokensPerSecond, secondsLeft }: TrainingProgress): string {
  return `loss ${loss.toFixed(4)}${termsText(terms)}, ${tokensPerSecond.toFixed(0)} tokens/s, ${duration(secondsLeft)} left`;
}

export function validationText(
  { step, loss, nll, margin, node, nodeAccuracy, majorityAccuracy }: ValidationLine,
  isBest: boolean,
  losses: TrainingSettings["losses"],
): string {
  const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
  const nodes =
    nodeAccuracy === null
      ? ""
      : `, node classifier right on ${percent(nodeAccuracy)}${majorityAccuracy === null ? "" : ` (the more frequent label: ${percent(majorityAccuracy)})`}`;
  const all = { nll, margin, node };
  const terms = termsText(Object.fromEntries(losses.map((name) => [name, all[name]])));
  return `validation after step ${step}: loss ${loss.toFixed(4)}${terms}${nodes}${isBest ? "; the best so far" : ""}`;
}

/** Where a run was interrupted, and the command to resume it. */
export function interruptedText(
  what: NonNullable<TrainingRunResult["interrupted"]>,
  outcome: TrainingOutcome | null,
  folder: string,
): string {
  const steps = outcome === null ? "" : ` after step ${outcome.step} of ${outcome.totalSteps}`;
  const where =
    what === "training"
      ? steps
      : `${outcome === null ? "" : `${steps}, training done,`} before the student was written`;
  return `stopped${where}; go on with: npx magdi train --resume ${quoted(folder)}`;
}

const quoted = (file: string): string =>
  /^[\w./~-]+$/.test(file) ? file : `'${file.replaceAll("'", `'\\''`)}'`;

/** 95 → 1 min 35 s */
function duration(seconds: number): string {
  const whole = Math.round(seconds);
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60)];
  if (hours > 0) return `${hours} h ${minutes} min`;
  return minutes > 0 ? `${minutes} min ${whole % 60} s` : `${whole} s`;
}
