// The report of an experiment as a Markdown page.

import { markdownCode, markdownText } from "../base/markdown.ts";
import { datasetTitle } from "../eval/datasets.ts";
import { percent, table } from "../eval/markdown.ts";
import type { Cell, Comparison, ExperimentReport, RowResult } from "./results.ts";

const NONE = "–";
/** Smaller than this is said so: the bootstrap's least p. */
const LEAST_P = 0.001;

/** `figure`: an image file relative to the page. */
export function experimentPage(report: ExperimentReport, figure: string | null): string {
  const { title, notes, base, rows } = report;
  const missing = rows.filter((row) => row.missing > 0);
  return [
    `# ${markdownText(title)}`,
    ...notes.map((note) => markdownText(note)),
    `Base: ${markdownCode(base)}, magdi ${markdownText(report.magdi)}.`,
    ...(missing.length === 0
      ? []
      : [
          `**Not complete**: ${missing.map(({ row, missing: count, of }) => `${markdownText(row)} lacks ${count} of ${of} evaluations`).join("; ")}.`,
        ]),
    "## Accuracy",
    accuracyTable(report),
    accuracyNote(report),
    ...(figure === null ? [] : [`![${markdownText(title)}](${figure})`]),
    ...(hasPaper(report) ? ["## Beside the paper", paperTable(report)] : []),
    "## Tokens per answer",
    tokensTable(report),
    ...(rows.some(({ comparison }) => comparison !== null)
      ? [
          "## Comparisons",
          comparisonTable(report),
          "Differences of accuracy in points, with the interval of 95 % and p of a paired bootstrap of 10 000 resamples of the questions; a question counts with the share of the seeds that are right. The last columns count the questions that one of both answers rightly more often.",
        ]
      : []),
    "## Seeds",
    seedTable(report),
    "",
  ].join("\n\n");
}

const heads = ({ tasks }: ExperimentReport): string[] =>
  tasks.map((task) => markdownText(datasetTitle(task)));
const named = ({ row }: RowResult): string => markdownText(row);

function accuracyTable(report: ExperimentReport): string {
  const cell = (one: Cell | null): string => {
    if (one === null) return NONE;
    const spread = one.accuracy_sd === null ? "" : ` ±${percent(one.accuracy_sd)}`;
    return `${percent(one.accuracy)}${spread} (${one.accuracy_ci95.map(percent).join("–")})`;
  };
  return table(
    ["row", ...heads(report), "mean", "against"],
    report.rows.map((row) => [
      named(row),
      ...row.cells.map(cell),
      row.mean === null ? NONE : percent(row.mean.accuracy),
      row.comparison === null ? NONE : shortComparison(row.comparison),
    ]),
  );
}

function accuracyNote({ rows }: ExperimentReport): string {
  const counts = rows.flatMap(({ cells }) => cells.flatMap((cell) => cell?.questions ?? []));
  const [least, most] = [Math.min(...counts), Math.max(...counts)];
  const questions =
    counts.length === 0 ? "" : ` of ${least === most ? most : `${least} to ${most}`} questions`;
  return `Accuracy in per cent${questions}, with the Wilson interval of 95 % of the questions; several seeds are shown with their mean ± standard deviation. The mean is that of the tasks, where a row has all of them. ${NONE}: not asked, or not answered yet.`;
}

function shortComparison({ against, difference, p }: Comparison): string {
  return `${signed(difference)} on ${markdownText(against)} (p ${shownP(p)})`;
}

function hasPaper({ rows }: ExperimentReport): boolean {
  return rows.some(({ cells }) => cells.some((cell) => cell?.paper != null));
}

/** Ours, then the paper's. */
function paperTable(report: ExperimentReport): string {
  const pair = (ours: string, theirs: string | null): string =>
    theirs === null ? NONE : `${ours} / ${theirs}`;
  const lines = report.rows.flatMap((row) => {
    const accuracies = row.cells.map((cell) => {
      const theirs = cell?.paper?.accuracy ?? null;
      return cell === null ? NONE : pair(percent(cell.accuracy), theirs === null ? null : percent(theirs));
    });
    const tokens = row.cells.map((cell) => {
      const theirs = cell?.paper?.tokens_per_answer ?? null;
      return cell === null
        ? NONE
        : pair(cell.tokens_per_answer.toFixed(1), theirs === null ? null : theirs.toFixed(1));
    });
    const theirs = row.mean?.paper_accuracy ?? null;
    const means =
      row.mean === null ? NONE : pair(percent(row.mean.accuracy), theirs === null ? null : percent(theirs));
    return [
      ...(accuracies.some((text) => text !== NONE) ? [[named(row), "accuracy", ...accuracies, means]] : []),
      ...(tokens.some((text) => text !== NONE) ? [[named(row), "tokens per answer", ...tokens, NONE]] : []),
    ];
  });
  return table(["row", "ours / the paper's", ...heads(report), "mean"], lines);
}

function tokensTable(report: ExperimentReport): string {
  return table(
    ["row", ...heads(report), "mean"],
    report.rows.map((row) => [
      named(row),
      ...row.cells.map((cell) => cell?.tokens_per_answer.toFixed(1) ?? NONE),
      row.mean?.tokens_per_answer.toFixed(1) ?? NONE,
    ]),
  );
}

function comparisonTable({ rows, tasks }: ExperimentReport): string {
  const line = (row: RowResult, of: string, one: Comparison | null | undefined): string[][] =>
    one === null || one === undefined
      ? []
      : [
          [
            named(row),
            markdownText(one.against),
            of,
            String(one.questions),
            `${signed(one.difference)} (${one.interval.map(signed).join(" to ")})`,
            shownP(one.p),
            `${one.onlyB} / ${one.onlyA}`,
          ],
        ];
  const lines = rows.flatMap((row) => [
    ...row.cells.flatMap((cell, index) =>
      line(row, markdownText(datasetTitle(tasks[index] ?? "")), cell?.comparison),
    ),
    ...(row.cells.filter((cell) => cell?.comparison != null).length > 1
      ? line(row, "all", row.comparison)
      : []),
  ]);
  return table(["row", "against", "task", "questions", "difference", "p", "row / other better"], lines);
}

function seedTable({ rows }: ExperimentReport): string {
  const lines = rows.flatMap((row) =>
    row.cells.flatMap((cell) =>
      (cell?.seeds ?? []).map(({ seed, correct, accuracy, tokens_per_answer, report }) => [
        named(row),
        markdownText(datasetTitle(cell?.task ?? "")),
        String(seed),
        `${correct} of ${cell?.questions}`,
        percent(accuracy),
        tokens_per_answer.toFixed(1),
        `[report](${encodeURI(report.replace(/\.json$/, ".md"))})`,
      ]),
    ),
  );
  return table(["row", "task", "seed", "right", "accuracy", "tokens/answer", ""], lines);
}

const signed = (share: number): string => `${share > 0 ? "+" : ""}${percent(share)}`;
const shownP = (p: number): string => (p < LEAST_P ? `< ${LEAST_P}` : p.toFixed(3));
