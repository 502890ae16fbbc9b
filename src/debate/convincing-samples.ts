// Convincing samples, ReConcile's demonstrations: questions that an agent answered wrongly alone and rightly once it was
// given an explanation that people wrote. Reads them from a file, and chooses those that an agent is shown of the others.

import { createHash } from "node:crypto";
import { z } from "zod";
import { TASKS, type Task, taskOf } from "../answers/task.ts";
import { MagdiError } from "../base/errors.ts";
import { checked, isObject } from "../base/files/json-file.ts";
import { readJsonRecords } from "../base/files/json-records.ts";
import { readRegularFile } from "../base/files/regular-file.ts";
import type { Question } from "../eval/question-formats.ts";
import { answerScalar, choiceList, labelledChoices } from "../mag/imported-choices.ts";
import { hasGold } from "../mag/labels.ts";
import { questionKey } from "../mag/question-split.ts";

export interface ConvincingSample extends Pick<Question, "question" | "choices" | "passage"> {
  /** Whom the explanation convinced. */
  readonly agent: string;
  readonly task: Task;
  /** Null where the file does not say. */
  readonly dataset: string | null;
  readonly explanation: string;
  /** The right answer. */
  readonly answer: string;
}

const SHAPE = "{agent, question, explanation, answer, choices?, passage?, dataset?, task?}";

const sampleSchema = z.object({
  agent: z.string().min(1),
  question: z.string().min(1),
  explanation: z.string().trim().min(1),
  answer: answerScalar,
  choices: choiceList,
  passage: z.string().nullish(),
  dataset: z.string().min(1).nullish(),
  task: z.enum(TASKS).nullish(),
});

export class ConvincingSamples {
  /** Of the file's bytes, in hexadecimal. */
  readonly sha256: string;
  /** At most so many of each other agent are shown. */
  readonly perAgent: number;
  readonly #samples: readonly ConvincingSample[];

  private constructor(sha256: string, perAgent: number, samples: readonly ConvincingSample[]) {
    this.sha256 = sha256;
    this.perAgent = perAgent;
    this.#samples = samples;
  }

  /**
   * JSON, one sample a line or all in one array; or one object that has a list of samples for each agent.
   * @throws MagdiError MAGDI_FILE_MISSING, MAGDI_BAD_FILE with the place and every wrong field
   */
  static async read(file: string, perAgent: number): Promise<ConvincingSamples> {
    const sha256 = createHash("sha256").update(readRegularFile(file)).digest("hex");
    const samples: ConvincingSample[] = [];
    for await (const { where, value } of readJsonRecords(file)) {
      for (const one of byAgent(value, where)) samples.push(sampleOf(one.value, one.where));
    }
    if (samples.length > 0) return new ConvincingSamples(sha256, perAgent, samples);
    throw new MagdiError("MAGDI_BAD_FILE", `${file}: expected samples, ${SHAPE}, found none`);
  }

  /**
   * What `agent` is shown before `question`: of each other agent, in the order of `agents`, the first samples of the same
   * data set, or where it has none there, of the same task. The question itself is never among them.
   */
  shownTo(
    agent: string,
    question: Pick<Question, "dataset" | "task" | "question">,
    agents: readonly string[],
  ): ConvincingSample[] {
    return agents.filter((other) => other !== agent).flatMap((other) => this.#of(other, question));
  }

  /** The agents and data sets for which fewer samples are there than should be shown, for a person. */
  gaps(questions: readonly Question[], agents: readonly string[]): string[] {
    const ofDatasets = new Map(questions.map((question) => [question.dataset, question]));
    const gaps = [...ofDatasets].flatMap(([dataset, { task }]) =>
      agents.flatMap((agent) => {
        const count = this.#of(agent, { dataset, task, question: "" }).length;
        return count < this.perAgent ? [`${agent} has ${count} of ${this.perAgent} for ${dataset}`] : [];
      }),
    );
    const strangers = [...new Set(this.#samples.map(({ agent }) => agent))].filter(
      (agent) => !agents.includes(agent),
    );
    return [...gaps, ...strangers.map((agent) => `${agent} is none of the agents`)];
  }

  #of(agent: string, asked: Pick<Question, "dataset" | "task" | "question">): ConvincingSample[] {
    const key = questionKey(asked);
    const all = this.#samples.filter((sample) => sample.agent === agent && questionKey(sample) !== key);
    const ofDataset = all.filter(({ dataset }) => dataset === asked.dataset);
    const fitting = ofDataset.length > 0 ? ofDataset : all.filter(({ task }) => task === asked.task);
    return fitting.slice(0, this.perAgent);
  }
}

interface Placed {
  readonly where: string;
  readonly value: unknown;
}

/** The samples of an object that has a list of them for each agent; any other record is one itself. */
function byAgent(value: unknown, where: string): Placed[] {
  if (!isObject(value)) return [{ where, value }];
  const lists = Object.entries(value);
  if (lists.length === 0 || !lists.every(([, list]) => Array.isArray(list))) return [{ where, value }];
  return lists.flatMap(([agent, list]) =>
    (list as unknown[]).map((item, index): Placed => {
      const sample = isObject(item) ? { ...item, agent } : item;
      return { where: `${where}: ${agent}[${index}]`, value: sample };
    }),
  );
}

function sampleOf(value: unknown, where: string): ConvincingSample {
  const { choices: listed, ...read } = checked(sampleSchema, flattened(value), where);
  const { question, answer } = read;
  const choices = labelledChoices(listed, answer, `${where}: answer`);
  const task = read.task ?? taskOf(question, choices, answer);
  if (!hasGold({ task, choices, gold: answer })) {
    const among = choices === null ? "" : ` among ${choices.map(({ label }) => label).join(", ")}`;
    throw new MagdiError(
      "MAGDI_BAD_FILE",
      `${where}: answer: expected one of the task ${task}${among}, found ${JSON.stringify(answer)}`,
    );
  }
  return { ...read, choices, task, passage: read.passage ?? null, dataset: read.dataset ?? null };
}

/** ReConcile's files have the question in `train_sample`, with its own names. */
function flattened(value: unknown): unknown {
  if (!isObject(value) || !isObject(value.train_sample)) return value;
  const { gold_explanation: explanation, options: choices, ...sample } = value.train_sample;
  return { explanation, choices, ...sample, agent: value.agent };
}
