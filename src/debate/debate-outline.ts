// What counting needs of a debate: who was right when, what it cost, and no texts. Read from transcripts.

import { z } from "zod";
import { canonicalAnswer } from "../answers/answer.ts";
import { TASKS, type Task } from "../answers/task.ts";
import { checked } from "../base/files/json-file.ts";
import { readJsonRecords } from "../base/files/json-records.ts";
import { labelOf } from "../mag/labels.ts";
import type { Debate } from "./debate.ts";
import { type TeamAnswer, teamAnswer } from "./team-answer.ts";
import { transcriptOf } from "./transcript.ts";

export type TeamVote = keyof TeamAnswer;
export const TEAM_VOTES: readonly TeamVote[] = ["rescaled", "majority", "meanConfidence"];
/** Whether each of the team's votes is right. */
export type TeamRight = Readonly<Record<TeamVote, boolean>>;

export interface NodeOutline {
  readonly agent: string;
  readonly round: number;
  readonly correct: boolean;
  readonly answered: boolean;
  readonly refused: boolean;
  readonly hasConfidence: boolean;
  readonly model: string | null;
  readonly promptTokens: number | null;
  readonly completionTokens: number | null;
  readonly usd: number | null;
}

export interface DebateOutline {
  readonly dataset: string;
  readonly id: string;
  readonly task: Task;
  /** Of its text, passage and choices. */
  readonly questionBytes: number;
  /** The last round. */
  readonly rounds: number;
  readonly consensus: boolean;
  /** The team as it would have answered after each round, from round 0; the last is its answer. */
  readonly team: readonly TeamRight[];
  readonly nodes: readonly NodeOutline[];
  readonly missing: readonly { readonly agent: string; readonly round: number }[];
  readonly promptsSha256: string;
}

const tokens = z.int().min(0).nullable();
const transcript = z.object({
  question_id: z.string(),
  benchmark: z.string(),
  task: z.enum(TASKS),
  question: z.string(),
  passage: z.string().nullable(),
  choices: z
    .array(z.object({ label: z.string(), text: z.string() }))
    .readonly()
    .nullable(),
  gold: z.string(),
  agents: z.array(
    z.object({
      agent: z.string(),
      round: z.int().min(0),
      answer: z.string().nullable(),
      correct: z.boolean(),
      confidence: z.number().nullable(),
      refused: z.boolean(),
      model: z.string().nullable(),
      prompt_tokens: tokens,
      completion_tokens: tokens,
      usd: z.number().nullable(),
    }),
  ),
  missing: z.array(z.object({ agent: z.string(), round: z.int().min(0) })),
  rounds: z.int().min(0),
  consensus: z.boolean(),
  team: z.object({
    rescaled: z.string().nullable(),
    majority: z.string().nullable(),
    mean_confidence: z.string().nullable(),
  }),
  prompts_sha256: z.string(),
});
type Transcript = z.output<typeof transcript>;

/** @throws MAGDI_FILE_MISSING, MAGDI_BAD_FILE for other files than transcripts of `magdi debate` */
export async function* readOutlines(file: string): AsyncGenerator<DebateOutline> {
  for await (const { value, where } of readJsonRecords(file))
    yield outlineOf(checked(transcript, value, where));
}

/** How long a question is. */
export function questionBytes({
  question,
  passage,
  choices,
}: {
  readonly question: string;
  readonly passage: string | null;
  readonly choices: readonly { readonly text: string }[] | null;
}): number {
  return Buffer.byteLength([question, passage ?? "", ...(choices ?? []).map(({ text }) => text)].join(" "));
}

/** A transcript that is not written yet. */
export function outlineOfDebate(debate: Debate): DebateOutline {
  return outlineOf(transcriptOf(debate, { use: "train", promptsSha256: "" }));
}

function outlineOf(debate: Transcript): DebateOutline {
  return {
    dataset: debate.benchmark,
    id: debate.question_id,
    task: debate.task,
    questionBytes: questionBytes(debate),
    rounds: debate.rounds,
    consensus: debate.consensus,
    team: teamByRound(debate),
    nodes: debate.agents.map((node) => ({
      agent: node.agent,
      round: node.round,
      correct: node.correct,
      answered: node.answer !== null,
      refused: node.refused,
      hasConfidence: node.confidence !== null,
      model: node.model,
      promptTokens: node.prompt_tokens,
      completionTokens: node.completion_tokens,
      usd: node.usd,
    })),
    missing: debate.missing.map(({ agent, round }) => ({ agent, round })),
    promptsSha256: debate.prompts_sha256,
  };
}

function teamByRound(debate: Transcript): TeamRight[] {
  const { agents, rounds, team, task, choices } = debate;
  const right = (answer: TeamAnswer): TeamRight => ({
    rescaled: labelOf(answer.rescaled, debate) === 1,
    majority: labelOf(answer.majority, debate) === 1,
    meanConfidence: labelOf(answer.meanConfidence, debate) === 1,
  });
  const recorded = { ...team, meanConfidence: team.mean_confidence };
  return Array.from({ length: rounds + 1 }, (_, round) => {
    if (round === rounds) return right(recorded);
    const nodes = agents
      .filter((node) => node.round === round)
      .map((node) => ({
        ...node,
        reasoning: "",
        key: node.answer === null ? null : canonicalAnswer(task, node.answer, { choices }),
      }));
    return right(teamAnswer(nodes));
  });
}
