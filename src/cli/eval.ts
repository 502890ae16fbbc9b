// magdi eval: a student or a server asked the questions of benchmarks, and a report of what came of it. Its
// subcommands are loaded when they are called.

import { parseArgs } from "node:util";
import { MagdiError } from "../base/errors.ts";
import { MagdiApiError, MagdiConnectionError } from "../client/client-error.ts";
import { DEVICE_SETTINGS } from "../engine/engine-settings.ts";
import { DATASETS } from "../eval/datasets.ts";
import { DTYPES, parseDtypes } from "../student/dtype.ts";
import { type Command, type Subcommands, subcommandOf } from "./command.ts";
import { type EvalRun, runEvaluation } from "./eval-run.ts";

const HELP = `Usage: magdi eval --data FILE... --json OUT [--model DIR|URL] [options]
       magdi eval rerun REPORT | compare A B | report REPORT... | extraction FILE...

Asks the questions of benchmarks and reports accuracy, tokens and what voting buys: OUT (JSON), and beside it a page
in Markdown, figures in SVG, every answer (.answers.jsonl) and how long it took (.timing.json). A run that was cut goes
on where it stopped when the same command is given again.

  --model DIR|URL       a student folder, a server of ours, or any that speaks OpenAI's API (default: the shipped student)
  --data FILE           questions: one layout for all, or as the benchmark is published (repeatable, see docs/evaluation.md)
                        ${DATASETS.map(({ title }) => title).join(", ")}
  --dataset NAME        the benchmark, where neither records nor the file's name tell it
  --use NAME            records for this use (default eval: those for evaluation, and those that say nothing); all
  --limit N             at most N questions of each data set, spread over it
  --on-bad-line WHAT    stop (default) or skip
  --json OUT            the report
  --samples N           samples of each question (default 1: greedy)
  --temperature X       default 0.7 for several samples, 0 for one
  --top-p X, --top-k N  default 0.9 and 50
  --max-tokens N        of each sample (default 300, and 700 where a question is written in LaTeX)
  --vote RULE           majority (default) or confidence
  --adaptive-threshold X  certainty at which adaptive stopping would stop (default 0.95)
  --seed N              default 0; the same seed gives the same files
  --baselines FILE      JSON file that extends the debate baselines
  --fresh               start over, also where an earlier run was cut

In this process:
  --device NAME         ${DEVICE_SETTINGS.join(", ")} (default cpu)
  --dtype NAME          ${DTYPES.join(", ")} (default: the smallest that suits the device)
  --threads N           default: one a processor that this process may use
  --batch-rows N        samples that decode at the same time, at least 2 (default 32)
  --context-length N    tokens of prompt and answer together (default: the student's, at most 4096)

Of a server:
  --api NAME            auto (default), reason (ours) or chat (OpenAI's)
  --model-name NAME     default: the first that it lists
  --key-variable NAME   environment variable that holds the API key (default MAGDI_API_KEY)
  --concurrency N       questions at once (default: as many as fill a batch)
`;

const OPTIONS = {
  model: { type: "string" },
  data: { type: "string", multiple: true },
  dataset: { type: "string" },
  use: { type: "string" },
  limit: { type: "string" },
  "on-bad-line": { type: "string" },
  json: { type: "string" },
  samples: { type: "string" },
  temperature: { type: "string" },
  "top-p": { type: "string" },
  "top-k": { type: "string" },
  "max-tokens": { type: "string" },
  vote: { type: "string" },
  "adaptive-threshold": { type: "string" },
  seed: { type: "string" },
  baselines: { type: "string" },
  fresh: { type: "boolean", default: false },
  device: { type: "string" },
  dtype: { type: "string" },
  threads: { type: "string" },
  "batch-rows": { type: "string" },
  "context-length": { type: "string" },
  api: { type: "string" },
  "model-name": { type: "string" },
  "key-variable": { type: "string" },
  concurrency: { type: "string" },
} as const;

type Values = ReturnType<typeof parseEval>["values"];

function parseEval(argv: readonly string[]) {
  return parseArgs({ args: [...argv], options: OPTIONS, allowPositionals: true });
}

/** The flags as a run; what is left out keeps `base`. @throws MagdiError MAGDI_BAD_CONFIG naming the flag */
export function evalRun(argv: readonly string[], base: Partial<EvalRun> = {}): EvalRun {
  const { values, positionals } = parseEval(argv);
  // A shell expands --data DIR/*.jsonl into one flag and many words.
  const data = [...(values.data ?? []), ...positionals];
  const out = values.json ?? base.out;
  const files = data.length > 0 ? data : base.data;
  if (files === undefined || out === undefined) {
    throw new MagdiError(
      "MAGDI_BAD_CONFIG",
      "expected --data FILE... and --json OUT, see: magdi eval --help",
    );
  }
  return {
    out,
    data: files,
    model: values.model ?? base.model ?? null,
    modelName: values["model-name"] ?? base.modelName ?? null,
    settings: { ...base.settings, ...settingsOf(values) },
    baselines: values.baselines ?? null,
    fresh: values.fresh,
    device: choice(values.device, "device", DEVICE_SETTINGS) ?? base.device ?? "cpu",
    dtype: values.dtype === undefined ? (base.dtype ?? null) : (parseDtypes(values.dtype)[0] ?? null),
    threads: whole(values.threads, "threads", 1) ?? null,
    batchRows: whole(values["batch-rows"], "batch-rows", 2) ?? 32,
    contextLength: whole(values["context-length"], "context-length", 16) ?? base.contextLength ?? null,
    api: choice(values.api, "api", ["auto", "reason", "chat"]) ?? base.api ?? "auto",
    keyVariable: values["key-variable"] ?? "MAGDI_API_KEY",
    concurrency: whole(values.concurrency, "concurrency", 1) ?? null,
  };
}

function settingsOf(values: Values): EvalRun["settings"] {
  const asked = {
    samples: whole(values.samples, "samples", 1),
    temperature: number(values.temperature, "temperature", 0, 2),
    top_p: number(values["top-p"], "top-p", 0, 1),
    top_k: whole(values["top-k"], "top-k", 0),
    max_tokens: whole(values["max-tokens"], "max-tokens", 1),
    vote: choice(values.vote, "vote", ["majority", "confidence"]),
    adaptive_threshold: number(values["adaptive-threshold"], "adaptive-threshold", 0.5, 1),
    seed: whole(values.seed, "seed", 0),
    use: values.use,
    limit: whole(values.limit, "limit", 1),
    dataset: values.dataset,
    on_bad_line: choice(values["on-bad-line"], "on-bad-line", ["stop", "skip"]),
  };
  // A flag that is not there is no setting, not an undefined one.
  return Object.fromEntries(Object.entries(asked).filter(([, value]) => value !== undefined));
}

export function whole(value: string | undefined, flag: string, least: number): number | undefined {
  if (value === undefined) return undefined;
  const read = /^\d{1,15}$/.test(value) ? Number(value) : Number.NaN;
  if (read >= least) return read;
  throw new MagdiError(
    "MAGDI_BAD_CONFIG",
    `--${flag}: expected a whole number of ${least} or more, found ${value}`,
  );
}

function number(value: string | undefined, flag: string, least: number, most: number): number | undefined {
  if (value === undefined) return undefined;
  const read = value.trim() === "" ? Number.NaN : Number(value);
  if (read >= least && read <= most) return read;
  throw new MagdiError(
    "MAGDI_BAD_CONFIG",
    `--${flag}: expected a number from ${least} to ${most}, found ${value}`,
  );
}

function choice<const T extends string>(
  value: string | undefined,
  flag: string,
  of: readonly T[],
): T | undefined {
  if (value === undefined) return undefined;
  const found = of.find((one) => one === value);
  if (found !== undefined) return found;
  throw new MagdiError("MAGDI_BAD_CONFIG", `--${flag}: expected one of ${of.join(", ")}, found ${value}`);
}

const SUBCOMMANDS: Subcommands = {
  rerun: async () => (await import("./eval-rerun.ts")).evalRerunCommand,
  compare: async () => (await import("./eval-compare.ts")).evalCompareCommand,
  report: async () => (await import("./eval-report.ts")).evalReportCommand,
  extraction: async () => (await import("./eval-extraction.ts")).evalExtractionCommand,
};

export const evalCommand: Command = {
  name: "eval",
  summary: "measure a student or a server on benchmarks",
  help: HELP,
  helpFor: async ([name]) => (await subcommandOf(SUBCOMMANDS, name)?.())?.help ?? HELP,
  async run(argv) {
    const [name, ...rest] = argv;
    const load = subcommandOf(SUBCOMMANDS, name);
    try {
      return load === undefined ? await runEvaluation(evalRun(argv)) : await (await load()).run(rest);
    } catch (error) {
      if (!(error instanceof MagdiApiError) && !(error instanceof MagdiConnectionError)) throw error;
      process.stderr.write(`magdi eval: ${error.message}\n`);
      return 1;
    }
  },
};
