// The team of agents behind a server: holds a debate for each question that comes, without a journal, with less patience
// than a run has, and until somebody says that it is enough.

import { createHash } from "node:crypto";
import type { Clock } from "../base/clock.ts";
import { MagdiError } from "../base/errors.ts";
import type {
  DebateCost,
  DebateRun,
  DebateTeam,
  HeldDebate,
  HeldNode,
  HoldOptions,
  SettleReason,
  TeamQuestion,
} from "../server/debate/debate-team.ts";
import type { Agent } from "./agent.ts";
import { type AgentSpec, openAgents } from "./agents-file.ts";
import type { CallLine } from "./call-journal.ts";
import type { CallLimiter } from "./call-limiter.ts";
import { CallMemory } from "./call-memory.ts";
import { Caller, callLimiters } from "./caller.ts";
import { type Debate, holdDebate, type SpokenNode } from "./debate.ts";
import { DebateLedger } from "./debate-ledger.ts";
import type { DebatePrompts } from "./debate-prompts.ts";
import { groupsOf } from "./node-groups.ts";
import { teamTally } from "./team-answer.ts";
import { transcriptOf } from "./transcript.ts";

/** Who asks to be left alone for longer is missing until then. */
const MOST_RETRY_AFTER_MS = 10_000;
/** The data set of questions that nobody collected. */
const DATASET = "live";
const UNKNOWN_GOLD = "";

export interface TeamOptions {
  readonly prompts: DebatePrompts;
  /** Further attempts of a call that failed. */
  readonly retries: number;
  readonly clock: Clock;
  /** Milliseconds since 1970. */
  wallMs(): number;
  /** From 0 to 1: the part of a retry's delay that is added to it. */
  jitter(): number;
}

/**
 * `environment` holds the keys.
 * @throws MagdiError MAGDI_BAD_CONFIG for a missing key, and for a student in this process
 */
export async function openLiveTeam(
  specs: readonly AgentSpec[],
  environment: Readonly<Record<string, string | undefined>>,
  options: TeamOptions,
): Promise<DebateTeam> {
  const student = specs.find((spec) => "student" in spec);
  if (student !== undefined) {
    throw new MagdiError(
      "MAGDI_BAD_CONFIG",
      `agent ${student.name}: a server's agents are endpoints, found a student's folder: it would take memory that the served student has planned with; serve it by a magdi serve of its own and name that as base_url`,
    );
  }
  return new LiveTeam(await openAgents(specs, environment), options);
}

export class LiveTeam implements DebateTeam {
  readonly agents: DebateTeam["agents"];
  readonly #agents: readonly Agent[];
  readonly #options: TeamOptions;
  /** Of all debates together. */
  readonly #limiters: ReadonlyMap<string, CallLimiter>;

  constructor(agents: readonly Agent[], options: TeamOptions) {
    this.#agents = agents;
    this.#options = options;
    this.#limiters = callLimiters(agents, options.clock);
    this.agents = agents.map(({ name, model, prices }) => ({
      name,
      model,
      usdPerMillionInput: prices.inputUsdPerMillion,
      usdPerMillionOutput: prices.outputUsdPerMillion,
    }));
  }

  hold(question: TeamQuestion, options: HoldOptions): DebateRun {
    const settling = new AbortController();
    let settled: SettleReason | null = null;
    const settle = (reason: SettleReason) => {
      settled ??= reason;
      settling.abort();
    };
    const ledger = new DebateLedger(this.#agents);
    const caller = this.#caller(ledger, settling.signal, settle, options);
    const { prompts } = this.#options;
    const { rounds, seed, onNode, onMissing, onRound } = options;
    const done = holdDebate(
      { ...question, dataset: DATASET, id: idOf(question), gold: UNKNOWN_GOLD },
      {
        ...{ agents: this.#agents, prompts, caller, settings: { rounds, seed } },
        hooks: {
          onNode: (node) => onNode?.(heldNode(node)),
          onMissing: (missing) => onMissing?.(missing),
          onRound: ({ round, nodes, consensus }) =>
            onRound?.({
              ...{ round, consensus },
              groups: groupsOf(nodes).map((group) => ({
                answer: group.answer,
                agents: group.nodes.map(({ agent }) => agent),
              })),
            }),
        },
      },
    ).then((debate) => heldDebate(debate, ledger, options, settled, prompts.sha256));
    return { done, settle };
  }

  async close(): Promise<void> {
    await Promise.all(this.#agents.map((agent) => agent.close()));
  }

  #caller(
    ledger: DebateLedger,
    giveUp: AbortSignal,
    settle: (reason: SettleReason) => void,
    { mayCall, onCall, onCost }: HoldOptions,
  ): Caller {
    const { clock, wallMs, jitter, retries } = this.#options;
    const memory = new CallMemory();
    const counted = (line: CallLine) => {
      memory.add(line);
      const alone = new DebateLedger(this.#agents, [line]);
      onCost({ agent: line.agent, tokens: alone.mostTokens, usd: alone.mostUsd });
    };
    return new Caller({
      ...{ agents: this.#agents, ledger, clock, wallMs, jitter, giveUp, limiters: this.#limiters },
      journal: { outcome: () => memory.outcome(), attempts: (key) => memory.attempts(key), add: counted },
      budget: { maxTokens: null, maxUsd: null }, // the server's own, which mayCall asks
      signal: giveUp,
      patience: { retries, mostRetryAfterMs: MOST_RETRY_AFTER_MS, halts: false },
      beforeAttempt({ name }, { round }, attempt) {
        if (giveUp.aborted) return;
        if (mayCall()) onCall?.({ agent: name, round, attempt });
        else settle("budget");
      },
    });
  }
}

/** Equal questions have equal ids, and so equal seeds. */
function idOf({ question, task, choices, passage }: TeamQuestion): string {
  const hash = createHash("sha256").update(JSON.stringify([question, task, choices, passage]));
  return hash.digest("hex").slice(0, 16);
}

function heldNode({ call, ...node }: SpokenNode): HeldNode {
  const { agent, round, answer, confidence, reasoning, refused, model, finishReason } = node;
  return {
    ...{ agent, round, answer, confidence, reasoning, refused, model, finishReason },
    promptTokens: call.prompt_tokens,
    completionTokens: call.completion_tokens,
    usd: call.usd,
    ms: call.ms,
  };
}

function heldDebate(
  debate: Debate,
  ledger: DebateLedger,
  { vote }: HoldOptions,
  settled: SettleReason | null,
  promptsSha256: string,
): HeldDebate {
  const { nodes, missing, rounds, decidedIn, consensus, team } = debate;
  const deciding = nodes.filter(({ round }) => round === decidedIn);
  const { answer, speaker, votes } = teamTally(deciding, vote);
  const ended = consensus ? "consensus" : decidedIn === rounds ? "rounds" : "unanswered";
  return {
    ...{ rounds, decidedIn, consensus, team, answer, votes },
    stopReason: missing.some(({ cut }) => cut) ? (settled ?? ended) : ended,
    reasoning: speaker === null ? null : (deciding[speaker]?.reasoning ?? null),
    nodes: nodes.map(heldNode),
    missing,
    cost: costOf(ledger),
    transcript: () => transcriptWithoutGold(debate, promptsSha256),
  };
}

function costOf(ledger: DebateLedger): DebateCost {
  const asked = [...ledger.byAgent().values()].filter(({ calls }) => calls > 0);
  const sum = (amountOf: (one: (typeof asked)[number]) => number) =>
    asked.reduce((total, one) => total + amountOf(one), 0);
  return {
    calls: sum(({ calls }) => calls),
    unreportedCalls: sum(({ unreportedCalls }) => unreportedCalls),
    promptTokens: sum(({ promptTokens }) => promptTokens),
    completionTokens: sum(({ completionTokens }) => completionTokens),
    usd: asked.some(({ usd }) => usd === null) ? null : sum(({ usd }) => usd ?? 0),
  };
}

/** Nobody has said which answers are right: who trains on it has to. */
function transcriptWithoutGold(debate: Debate, promptsSha256: string): object {
  const transcript = transcriptOf(debate, { use: "train", promptsSha256 });
  return {
    ...transcript,
    gold: null,
    agents: transcript.agents.map(({ correct: _, ...agent }) => agent),
  };
}
