// One debate: agents answer a question alone, then hear each other round by round until they agree.

import { createHash } from "node:crypto";
import type { Question } from "../eval/question-formats.ts";
import type { Agent } from "./agent.ts";
import { type CallFacts, factsOf } from "./call-journal.ts";
import type { Caller } from "./caller.ts";
import type { DebatePrompts } from "./debate-prompts.ts";
import { type DebateNode, isConsensus } from "./node-groups.ts";
import { readReply } from "./reading.ts";
import { type TeamAnswer, teamAnswer } from "./team-answer.ts";

export interface DebateSettings {
  /** Rounds after round 0, at most. */
  readonly rounds: number;
  readonly seed: number;
}

/** A node, with the call that it came from. */
export interface SpokenNode extends DebateNode {
  readonly text: string;
  readonly refused: boolean;
  readonly finishReason: string | null;
  /** As the endpoint names it; null where it does not. */
  readonly model: string | null;
  readonly call: CallFacts;
}

/** An agent that failed for good in a round: it has no node there, and is asked again in the next. */
export interface MissingNode {
  readonly agent: string;
  readonly round: number;
  readonly error: string;
  /** The HTTP status; null where none came. */
  readonly status: number | null;
  /** The call was given up before the agent had its time. */
  readonly cut: boolean;
}

export interface EndedRound {
  readonly round: number;
  readonly nodes: readonly SpokenNode[];
  readonly consensus: boolean;
}

/** Called as a debate goes on; what they throw ends it. */
export interface DebateHooks {
  onNode?(node: SpokenNode): void;
  onMissing?(missing: MissingNode): void;
  /** Not for a round that was cut short. */
  onRound?(ended: EndedRound): void;
}

export interface Debate {
  readonly question: Question;
  /** By round, then in the order of the agents. */
  readonly nodes: readonly SpokenNode[];
  readonly missing: readonly MissingNode[];
  /** The last round. */
  readonly rounds: number;
  /** The round that the team's answer is of; null when nobody ever answered. */
  readonly decidedIn: number | null;
  readonly consensus: boolean;
  readonly team: TeamAnswer;
}

export interface DebateParts {
  readonly agents: readonly Agent[];
  readonly prompts: DebatePrompts;
  readonly caller: Pick<Caller, "call">;
  readonly settings: DebateSettings;
  readonly hooks?: DebateHooks;
}

/**
 * Round 0 alone; up to `settings.rounds` further rounds in which each agent hears every answer of the round before, its own
 * among them. Ends when all who answered agree, when nobody answered, and when calls were given up: the round before
 * decides then, if there is one. The same answers of the agents give the same debate. @throws what `caller.call` throws
 */
export async function holdDebate(
  question: Question,
  { agents, prompts, caller, settings, hooks = {} }: DebateParts,
): Promise<Debate> {
  const nodes: SpokenNode[] = [];
  const missing: MissingNode[] = [];
  let heard: readonly SpokenNode[] | null = null;
  for (let round = 0; ; round++) {
    const said = await allOf(agents.map((agent) => answerOf(question, agent, round, heard)));
    const spoken = said.filter((one): one is SpokenNode => "call" in one);
    const absent = said.filter((one): one is MissingNode => "error" in one);
    nodes.push(...spoken);
    missing.push(...absent);
    const cut = absent.some((one) => one.cut);
    // After a round in which nobody answered, or that was cut short, the one before has the last word.
    const before: boolean = heard !== null && (cut || spoken.length === 0);
    const consensus = !before && isConsensus(spoken);
    if (!cut) hooks.onRound?.({ round, nodes: spoken, consensus });
    if (consensus || cut || round >= settings.rounds || spoken.length === 0) {
      const last = before ? (heard ?? []) : spoken;
      const decidedIn = last[0]?.round ?? null;
      return { question, nodes, missing, rounds: round, decidedIn, consensus, team: teamAnswer(last) };
    }
    heard = spoken;
  }

  async function answerOf(
    { dataset, id, task, choices }: Question,
    agent: Agent,
    round: number,
    before: readonly SpokenNode[] | null,
  ): Promise<SpokenNode | MissingNode> {
    const messages = prompts.render(question, agent, before);
    const key = { dataset, id, round, agent: agent.name };
    const outcome = await caller.call(agent, key, messages, callSeed(settings.seed, key));
    if (outcome.reply === null) {
      const { error, status, cut } = outcome;
      const absent = { agent: agent.name, round, error, status, cut };
      hooks.onMissing?.(absent);
      return absent;
    }
    const { text, refused, finishReason, model } = outcome.reply;
    const reading = refused
      ? { answer: null, key: null, reasoning: text, confidence: null }
      : readReply(text, { task, choices });
    const call = factsOf(outcome.line);
    const node = { agent: agent.name, round, ...reading, text, refused, finishReason, model, call };
    hooks.onNode?.(node);
    return node;
  }
}

/** All results, or the first error once every call has ended: none is left running. */
async function allOf<T>(running: readonly Promise<T>[]): Promise<T[]> {
  await Promise.allSettled(running);
  return Promise.all(running);
}

/** A call's seed does not depend on other questions; 31 bits, which every server accepts. */
export function callSeed(
  seed: number,
  {
    dataset,
    id,
    round,
    agent,
  }: { readonly dataset: string; readonly id: string; readonly round: number; readonly agent: string },
): number {
  const hash = createHash("sha256")
    .update(JSON.stringify([seed, dataset, id, round, agent]))
    .digest();
  return hash.readUInt32BE(0) >>> 1;
}
