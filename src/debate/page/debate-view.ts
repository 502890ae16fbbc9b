// What a page of a debate shows: the question, who answered what in which round, who heard whom, and what it came to. Types
// alone: the scripts of the page and of the playground take them too.

export interface DebateView {
  readonly id: string;
  readonly benchmark: string;
  readonly task: string;
  readonly question: string;
  readonly choices: readonly { readonly label: string; readonly text: string }[] | null;
  readonly passage: string | null;
  /** Null where it is not known. */
  readonly gold: string | null;
  /** In the order of their columns. */
  readonly agents: readonly string[];
  /** The model of each agent; empty where it is not known. */
  readonly models: readonly string[];
  /** All that were given, once each by value, in the order in which they were first given. */
  readonly answers: readonly ViewAnswer[];
  readonly nodes: readonly ViewNode[];
  readonly missing: readonly ViewMissing[];
  /** [from, to], indices of nodes: `to` heard `from`. */
  readonly edges: readonly (readonly [number, number])[];
  readonly consensus: boolean;
  readonly votes: readonly ViewVote[];
}

export interface ViewAnswer {
  /** As it was first written. */
  readonly text: string;
  /** Null where the right answer is not known. */
  readonly correct: boolean | null;
}

export interface ViewNode {
  readonly agent: string;
  readonly round: number;
  /** As the agent wrote it; null when none could be read. */
  readonly answer: string | null;
  /** Its place among the debate's answers; null without one. */
  readonly group: number | null;
  /** From 0 to 1; null when none was stated. */
  readonly confidence: number | null;
  readonly reasoning: string;
  /** All that the agent wrote, where that is more than its reasoning. */
  readonly text: string | null;
  readonly refused: boolean;
  readonly promptTokens: number | null;
  readonly completionTokens: number | null;
  readonly usd: number | null;
}

/** An agent that failed in a round. */
export interface ViewMissing {
  readonly agent: string;
  readonly round: number;
  readonly error: string;
}

export interface ViewVote {
  readonly name: string;
  /** Null when no node has an answer. */
  readonly answer: string | null;
  /** Its place among the debate's answers. */
  readonly group: number | null;
}
