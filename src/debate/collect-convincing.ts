// Collects convincing samples: asks each agent questions alone, and those that it got wrong again with the explanation that
// people wrote. It writes nothing but the journal of calls.

import type { Question } from "../eval/question-formats.ts";
import { hasGold, labelOf } from "../mag/labels.ts";
import type { Agent } from "./agent.ts";
import type { Caller } from "./caller.ts";
import { callSeed } from "./debate.ts";
import type { DebatePrompts } from "./debate-prompts.ts";
import { type Reading, readReply } from "./reading.ts";

export type ExplainedQuestion = Question & { readonly explanation: string };

/** A line of the file that `magdi debate --convincing` reads. */
export interface CollectedSample {
  readonly agent: string;
  readonly dataset: string;
  readonly id: string;
  readonly task: Question["task"];
  readonly question: string;
  readonly choices: Question["choices"];
  readonly passage: string | null;
  readonly explanation: string;
  /** The right answer. */
  readonly answer: string;
  /** What the agent said before it was given the explanation, and then. */
  readonly alone: Said;
  readonly explained: Said;
}

type Said = Pick<Reading, "answer" | "reasoning" | "confidence">;

export interface CollectingParts {
  readonly agents: readonly Agent[];
  readonly prompts: DebatePrompts;
  readonly caller: Pick<Caller, "call" | "halt">;
  /** Wanted of each agent and data set. */
  readonly samples: number;
  readonly seed: number;
}

/** What an agent came to in a data set. */
export interface Collected {
  readonly agent: string;
  readonly dataset: string;
  /** Asked alone, of the questions of the data set. */
  readonly asked: number;
  readonly questions: number;
  /** Of these answered wrongly. */
  readonly wrong: number;
  readonly samples: readonly CollectedSample[];
}

/** Those that have an explanation, and a right answer that can be compared. */
export function explainedQuestions(questions: readonly Question[]): ExplainedQuestion[] {
  return questions.filter(
    (question): question is ExplainedQuestion => question.explanation !== undefined && hasGold(question),
  );
}

/**
 * Each agent answers a data set's questions in an order that `seed` draws, until `samples` of them have convinced it. A
 * question convinces an agent that answers it wrongly alone and rightly with the explanation; one without an answer that
 * can be read is neither. The same answers give the same samples. After a halt of the caller there are those that were
 * found until then.
 */
export async function collectConvincing(
  questions: readonly ExplainedQuestion[],
  parts: CollectingParts,
  onProgress: (found: number) => void = () => {},
): Promise<Collected[]> {
  const datasets = [...new Set(questions.map(({ dataset }) => dataset))];
  let found = 0;
  const onFound = (): void => {
    found += 1;
    onProgress(found);
  };
  return Promise.all(
    datasets.flatMap((dataset) => {
      const ofDataset = drawn(
        questions.filter((question) => question.dataset === dataset),
        parts.seed,
      );
      return parts.agents.map((agent) => collectOf(agent, dataset, ofDataset, parts, onFound));
    }),
  );
}

/** In an order that depends on the seed and each question alone. */
function drawn(questions: readonly ExplainedQuestion[], seed: number): ExplainedQuestion[] {
  return questions
    .map((question) => ({
      question,
      place: callSeed(seed, { dataset: question.dataset, id: question.id, round: 0, agent: "" }),
    }))
    .sort((a, b) => a.place - b.place)
    .map(({ question }) => question);
}

async function collectOf(
  agent: Agent,
  dataset: string,
  questions: readonly ExplainedQuestion[],
  parts: CollectingParts,
  onFound: () => void,
): Promise<Collected> {
  const { caller, samples: wanted } = parts;
  // By place: a question before the last sample may be answered after it.
  const found = new Map<number, CollectedSample>();
  const running = new Set<Promise<void>>();
  let asked = 0;
  let wrong = 0;
  let halted = false;
  const ask = async (index: number, question: ExplainedQuestion): Promise<void> => {
    const alone = await said(agent, question, 0, parts);
    asked += 1;
    if (alone === null || alone.answer === null || labelOf(alone.answer, question) === 1) return;
    wrong += 1;
    const explained = await said(agent, question, 1, parts);
    if (explained === null || labelOf(explained.answer, question) === 0) return;
    found.set(index, sampleOf(agent, question, alone, explained));
    onFound();
  };
  for (const [index, question] of questions.entries()) {
    // If all that run should convince, there are enough: no question is asked behind the one with the last sample.
    while (running.size >= Math.min(agent.limits.concurrency, wanted - found.size) && running.size > 0)
      await Promise.race(running);
    if (found.size >= wanted || halted) break;
    const one = ask(index, question)
      .catch((error) => {
        halted = true;
        caller.halt(error); // the first reason counts
      })
      .finally(() => running.delete(one));
    running.add(one);
  }
  await Promise.all(running);
  const inOrder = [...found].sort(([a], [b]) => a - b).map(([, sample]) => sample);
  return {
    ...{ agent: agent.name, dataset, asked, questions: questions.length, wrong },
    samples: inOrder,
  };
}

/** Round 0 is alone, 1 with the explanation. Null for an agent that failed for good, or refused. */
async function said(
  agent: Agent,
  question: ExplainedQuestion,
  round: 0 | 1,
  { prompts, caller, seed }: CollectingParts,
): Promise<Said | null> {
  const messages =
    round === 0
      ? prompts.render(question, agent, null)
      : prompts.renderExplained(question, agent, question.explanation);
  const key = { dataset: question.dataset, id: question.id, round, agent: agent.name };
  const { reply } = await caller.call(agent, key, messages, callSeed(seed, key));
  if (reply === null || reply.refused) return null;
  const { answer, reasoning, confidence } = readReply(reply.text, question);
  return { answer, reasoning, confidence };
}

function sampleOf(agent: Agent, question: ExplainedQuestion, alone: Said, explained: Said): CollectedSample {
  const { dataset, id, task, choices, passage, explanation, gold } = question;
  return {
    ...{ agent: agent.name, dataset, id, task, question: question.question },
    ...{ choices, passage, explanation, answer: gold, alone, explained },
  };
}
