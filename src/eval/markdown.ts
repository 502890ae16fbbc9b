// Reports as a Markdown page, with several runs side by side.

import { markdownCode, markdownText } from "../base/markdown.ts";
import { datasetTitle } from "./datasets.ts";
import type { Calibration } from "./measures/calibration.ts";
import type { Report, Timing } from "./report.ts";
import type { WaveSummary } from "./stopped-votes.ts";
import type { DatasetSummary } from "./summary.ts";

export interface NamedRun {
  /** The run's name in tables and figures. */
  readonly label: string;
  readonly report: Report;
  /** Null to leave times out. */
  readonly timing: Timing | null;
}

/** `figures`: image files relative to the page. */
export function markdownPage(
  runs: readonly NamedRun[],
  figures: readonly { title: string; file: string }[],
): string {
  const results = runs.flatMap((run) => run.report.results.map((result) => ({ run, result })));
  const voted = results.filter(({ result }) => result.samples > 1);
  const waved = results.filter(({ result }) => (result.waves ?? []).length > 0);
  return [
    "# Evaluation",
    runs.map(settingsOf).join("\n"),
    "## Accuracy and tokens",
    accuracyTable(results),
    "Accuracy in per cent with the Wilson interval of 95 %; tokens are the generated ones of all samples of a question, with the middle half of the questions; unparsed, length and run on are the shares of samples without an answer, at the bound of tokens, and with another question behind their answer; ratio is the debate's tokens over them, by [the baseline](https://arxiv.org/abs/2402.01620) named.",
    ...(voted.length === 0
      ? []
      : ["## Fewer samples", samplesTable(voted), "## Early stopping", earlyStopTable(voted)]),
    ...(waved.length === 0
      ? []
      : [
          "## Samples in waves",
          wavesTable(waved),
          "Accuracy in per cent with the Wilson interval of 95 %, and generated tokens, of a vote of each question's first n samples: all of them; stopped early, where all had started at once; and where so many start at a time as a wave has, and more only while nothing is decided.",
        ]),
    "## Calibration",
    calibrationTable(results),
    ...figures.map(({ title, file }) => `![${title}](${file})`),
    "## What was asked",
    dataTable(runs),
    "",
  ].join("\n\n");
}

type Row = { readonly run: NamedRun; readonly result: DatasetSummary };

function settingsOf({ label, report }: NamedRun): string {
  const { model, settings, magdi } = report;
  const { samples, temperature, top_p, top_k, max_tokens, seed, vote } = settings;
  const tokens = max_tokens === null ? "300 (700 for LaTeX)" : String(max_tokens);
  const dtype = model.dtype === null ? "" : ` (${markdownText(model.dtype)})`;
  const left =
    model.left_out.length === 0
      ? ""
      : `; the server does not take ${markdownText(model.left_out.join(", "))}`;
  return `- **${markdownText(label)}**: ${markdownText(model.name)}${dtype}, ${samples} ${samples === 1 ? "sample" : "samples"}, temperature ${temperature}, top-p ${top_p}, top-k ${top_k}, at most ${tokens} tokens, ${vote} vote, seed ${seed}, magdi ${markdownText(magdi)}${left}`;
}

const RUN_COLUMNS = ["data set", "run"];
const ACCURACY_COLUMNS = [
  ...RUN_COLUMNS,
  "questions",
  "accuracy",
  "tokens/answer",
  "unparsed",
  "length",
  "run on",
  "debate",
  "ratio",
];

function accuracyTable(rows: readonly Row[]): string {
  const timed = rows.some(({ run }) => run.timing !== null);
  return table(
    [...ACCURACY_COLUMNS, ...(timed ? ["tokens/s"] : [])],
    rows.map(({ run, result }) => {
      const spread = result.tokens_per_answer_distribution;
      const speed = run.timing?.results.find(({ dataset }) => dataset === result.dataset)?.tokens_per_second;
      return [
        markdownText(datasetTitle(result.dataset)),
        markdownText(run.label),
        String(result.questions),
        `${percent(result.accuracy)} (${result.accuracy_ci95.map(percent).join("–")})`,
        `${result.tokens_per_answer?.toFixed(1) ?? "–"} (${spread?.p25.toFixed(0) ?? "–"}–${spread?.p75.toFixed(0) ?? "–"})`,
        percent(result.unparsed),
        percent(result.length_stops),
        result.run_ons === undefined ? "–" : percent(result.run_ons),
        `${result.debate.tokens} (${markdownText(result.debate.baseline)})`,
        result.debate.ratio?.toFixed(1) ?? "–",
        ...(timed ? [speed?.toFixed(0) ?? "–"] : []),
      ];
    }),
  );
}

function samplesTable(rows: readonly Row[]): string {
  const sizes = [
    ...new Set(rows.flatMap(({ result }) => result.accuracy_by_samples.map(({ samples }) => samples))),
  ]
    .filter((size) => size <= 10 || size % 4 === 0)
    .sort((a, b) => a - b);
  return table(
    ["data set", "run", ...sizes.map((size) => `n = ${size}`), "confidence vote"],
    rows.map(({ run, result }) => [
      markdownText(datasetTitle(result.dataset)),
      markdownText(run.label),
      ...sizes.map((size) => {
        const found = result.accuracy_by_samples.find(({ samples }) => samples === size);
        return found === undefined ? "–" : percent(found.accuracy);
      }),
      percent(result.accuracy_by_vote.confidence),
    ]),
  );
}

function earlyStopTable(rows: readonly Row[]): string {
  return table(
    ["data set", "run", "rule", "accuracy", "same answer", "decided at", "tokens/answer", "tokens saved"],
    rows.flatMap(({ run, result }) =>
      Object.entries(result.early_stop ?? {}).map(([rule, stopped]) => [
        markdownText(datasetTitle(result.dataset)),
        markdownText(run.label),
        rule,
        percent(stopped.accuracy),
        percent(stopped.agreement),
        stopped.decided_at.toFixed(1),
        stopped.tokens_per_answer.toFixed(1),
        percent(stopped.tokens_saved),
      ]),
    ),
  );
}

function wavesTable(rows: readonly Row[]): string {
  const head = ["all", "exact", "exact, in waves", "adaptive", "adaptive, in waves"];
  const places = head.map((_, place) => place);
  return table(
    ["data set", "run", "n", "wave", ...head],
    rows.flatMap(({ run, result }) => {
      const all = result.waves ?? [];
      return [...new Set(all.map(({ samples }) => samples))].map((size) => {
        const ways = all.filter(({ samples }) => samples === size);
        return [
          markdownText(datasetTitle(result.dataset)),
          markdownText(run.label),
          String(size),
          String(run.report.settings.wave),
          ...places.map((place) => (ways[place] === undefined ? "–" : waveCell(ways[place]))),
        ];
      });
    }),
  );
}

function waveCell({ accuracy, accuracy_ci95: interval, tokens_per_answer: tokens }: WaveSummary): string {
  return `${percent(accuracy)} (${interval.map(percent).join("–")}), ${tokens.toFixed(1)}`;
}

function calibrationTable(rows: readonly Row[]): string {
  const numbers = (calibration: Calibration | null) => [
    calibration?.ece?.toFixed(3) ?? "–",
    calibration?.auroc?.toFixed(3) ?? "–",
  ];
  return table(
    ["data set", "run", "vote share: ECE", "AUROC", "confidence: ECE", "AUROC"],
    rows.map(({ run, result }) => [
      markdownText(datasetTitle(result.dataset)),
      markdownText(run.label),
      ...numbers(result.calibration.vote_share),
      ...numbers(result.calibration.confidence),
    ]),
  );
}

function dataTable(runs: readonly NamedRun[]): string {
  const lines = runs.flatMap(({ label, report }) =>
    report.data.map(({ file, sha256, questions, skipped }) => [
      markdownText(label),
      markdownCode(file),
      markdownCode(sha256.slice(0, 16)),
      String(questions),
      String(skipped.length),
    ]),
  );
  return table(["run", "file", "SHA-256", "questions", "broken lines"], lines);
}

export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell) => cell.replaceAll("|", "\\|").replaceAll(/\s*[\r\n]+\s*/g, " ")).join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

export function percent(share: number): string {
  return (100 * share).toFixed(1);
}
