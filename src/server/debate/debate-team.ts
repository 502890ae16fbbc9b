// What the server asks of the agents that debate for it: a question in, a debate with its cost out. It knows neither how
// agents are reached nor any HTTP; src/debate has the team.

import type { Choice, Task } from "../../answers/task.ts";
import type { Vote } from "../../voting/vote.ts";

/** Which of a debate's three votes gives its answer. */
export const TEAM_VOTES = ["rescaled", "majority", "mean_confidence"] as const;
export type TeamVote = (typeof TEAM_VOTES)[number];

export interface TeamAgent {
  readonly name: string;
  /** The model that is asked for. */
  readonly model: string | null;
  /** Null where it is not known. */
  readonly usdPerMillionInput: number | null;
  readonly usdPerMillionOutput: number | null;
}

export interface TeamQuestion {
  readonly question: string;
  readonly task: Task;
  readonly choices: readonly Choice[] | null;
  readonly passage: string | null;
}

/** Why a debate is ended before its time: the client has enough, its deadline or a shutdown, the budget, nobody waits for it. */
export type SettleReason = "enough" | "abort" | "budget" | "gone";

export interface HeldNode {
  readonly agent: string;
  readonly round: number;
  readonly answer: string | null;
  /** From 0 to 1. */
  readonly confidence: number | null;
  readonly reasoning: string;
  readonly refused: boolean;
  readonly model: string | null;
  readonly finishReason: string | null;
  readonly promptTokens: number | null;
  readonly completionTokens: number | null;
  readonly usd: number | null;
  readonly ms: number;
}

export interface HeldMissing {
  readonly agent: string;
  readonly round: number;
  /** For the log; it may have text of the agent's. */
  readonly error: string;
  readonly status: number | null;
  /** The call was given up when the debate was settled. */
  readonly cut: boolean;
}

export interface HeldRound {
  readonly round: number;
  /** By value, larger ones first, those without an answer last. */
  readonly groups: readonly { readonly answer: string | null; readonly agents: readonly string[] }[];
  readonly consensus: boolean;
}

export interface DebateCost {
  /** All attempts. */
  readonly calls: number;
  /** Calls that may be charged for and did not say their tokens. */
  readonly unreportedCalls: number;
  readonly promptTokens: number;
  readonly completionTokens: number;
  /** Of the reported tokens; null where an agent without prices was asked. */
  readonly usd: number | null;
}

/** What one call came to at most: for a call that does not say its tokens, the most that it can have taken. */
export interface CallCost {
  readonly agent: string;
  readonly tokens: number;
  readonly usd: number;
}

export interface HeldDebate {
  /** The last round that was begun. */
  readonly rounds: number;
  /** The round that voted; null if nobody ever answered. */
  readonly decidedIn: number | null;
  readonly consensus: boolean;
  /** "unanswered": in the last round nobody answered. */
  readonly stopReason: "consensus" | "rounds" | "unanswered" | SettleReason;
  readonly team: {
    readonly rescaled: string | null;
    readonly majority: string | null;
    readonly meanConfidence: string | null;
  };
  /** By the vote that was asked for. */
  readonly answer: string | null;
  readonly reasoning: string | null;
  readonly votes: readonly Vote[];
  readonly nodes: readonly HeldNode[];
  readonly missing: readonly HeldMissing[];
  readonly cost: DebateCost;
  /** The debate in the format of `magdi debate`'s transcripts, as JSON. */
  transcript(): object;
}

export interface HoldOptions {
  /** Rounds after round 0, at most. */
  readonly rounds: number;
  readonly seed: number;
  readonly vote: TeamVote;
  /** Asked before each call; with false the debate is settled for "budget". */
  mayCall(): boolean;
  /** An attempt begins. */
  onCall?(call: { readonly agent: string; readonly round: number; readonly attempt: number }): void;
  /** An attempt has ended, whatever became of it. */
  onCost(cost: CallCost): void;
  onNode?(node: HeldNode): void;
  onMissing?(missing: HeldMissing): void;
  /** Not for a round that was cut short. */
  onRound?(round: HeldRound): void;
}

export interface DebateRun {
  readonly done: Promise<HeldDebate>;
  /** Gives up the running calls and makes no further one; `done` resolves with what was said. The first reason counts. */
  settle(reason: SettleReason): void;
}

export interface DebateTeam {
  /** At least two. */
  readonly agents: readonly TeamAgent[];
  hold(question: TeamQuestion, options: HoldOptions): DebateRun;
  close(): Promise<void>;
}
