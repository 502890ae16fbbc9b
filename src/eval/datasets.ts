// The known benchmarks with their task, debate baseline and source.

import type { Task } from "../answers/task.ts";

export interface DatasetInfo {
  readonly name: string;
  readonly title: string;
  readonly task: Task;
  /** Its name in the debate baselines; null when it has no baseline. */
  readonly baseline: string | null;
  /** Matches its file names and question ids. */
  readonly aliases: RegExp;
  /** Where its files are published. */
  readonly source: string;
}

export const DATASETS: readonly DatasetInfo[] = [
  {
    name: "strategyqa",
    title: "StrategyQA",
    task: "yes-no",
    baseline: "strategyqa",
    aliases: /^strategy[-_]?qa/i,
    source: "https://github.com/eladsegal/strategyqa (data/strategyqa/train.json, dev.json)",
  },
  {
    name: "csqa",
    title: "CommonsenseQA",
    task: "multiple-choice",
    baseline: "commonsenseqa",
    aliases: /^(?:csqa|commonsense[-_]?qa|(?:dev|train)_rand_split)/i,
    source: "https://www.tau-nlp.org/commonsenseqa (dev_rand_split.jsonl)",
  },
  {
    name: "arc-challenge",
    title: "ARC-Challenge",
    task: "multiple-choice",
    baseline: "arc-challenge",
    aliases: /^arc(?:[-_]?c(?:hallenge)?)?(?:$|[-_.](?!easy))/i,
    source: "https://allenai.org/data/arc (ARC-Challenge-Test.jsonl)",
  },
  {
    name: "gsm8k",
    title: "GSM8K",
    task: "math",
    baseline: "gsm8k",
    aliases: /^gsm[-_]?8k/i,
    source: "https://github.com/openai/grade-school-math (grade_school_math/data/test.jsonl)",
  },
  {
    name: "math",
    title: "MATH",
    task: "math",
    baseline: "math",
    aliases: /^math(?:$|[-_.](?!qa)|500)/i,
    source:
      "https://github.com/hendrycks/math (a folder of .json files); https://github.com/openai/prm800k (math_splits/test.jsonl)",
  },
  {
    name: "boolq",
    title: "BoolQ",
    task: "yes-no",
    baseline: null,
    aliases: /^boolq/i,
    source: "https://github.com/google-research-datasets/boolean-questions (dev.jsonl)",
  },
  {
    name: "svamp",
    title: "SVAMP",
    task: "math",
    baseline: null,
    aliases: /^svamp/i,
    source: "https://github.com/arkilpatel/SVAMP (SVAMP.json)",
  },
];

/** The data set that a file name or question id belongs to; null if unknown. */
export function knownDataset(name: string): DatasetInfo | null {
  return DATASETS.find((info) => info.name === name || info.aliases.test(name)) ?? null;
}

/** The data set with this name or title, ignoring case, spaces and hyphens; null if unknown. */
export function namedDataset(name: string): DatasetInfo | null {
  const plain = (text: string) => text.toLowerCase().replace(/[-_\s]/g, "");
  return DATASETS.find((info) => [info.name, info.title].some((own) => plain(own) === plain(name))) ?? null;
}

/** A question with choices is multiple-choice whatever its data set. */
export function knownTask(dataset: DatasetInfo | null, told: Task): Task {
  return told === "multiple-choice" ? told : (dataset?.task ?? told);
}

export function datasetTitle(name: string): string {
  return DATASETS.find((info) => info.name === name)?.title ?? name;
}
