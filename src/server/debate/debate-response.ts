// From a debate that was held to the responses and frames of /v1/debate, and to those of a question that was escalated.

import type { Baseline } from "../../voting/baselines.ts";
import { comparisonWith } from "../../voting/ledger.ts";
import type { DebateAccount, DebateUsage } from "./account-schema.ts";
import type { DebateProgressFrame } from "./debate-frames.ts";
import type { DebateResponse } from "./debate-schema.ts";
import type {
  DebateCost,
  DebateTeam,
  HeldDebate,
  HeldMissing,
  HeldNode,
  HeldRound,
  TeamAgent,
} from "./debate-team.ts";
import type { AskedDebate, DebateListener, EndedDebate } from "./debates.ts";

/** The frames of a debate's events, for the request `id`. */
export function debateListener(id: string, onFrame: (frame: DebateProgressFrame) => void): DebateListener {
  return {
    onCall: (call) => onFrame({ type: "call", id, ...call }),
    onNode: (node) => onFrame({ type: "node", id, node: nodeOf(node) }),
    onMissing: (missing) => onFrame({ type: "missing", id, missing: missingOf(missing) }),
    onRound: ({ round, groups, consensus }: HeldRound) =>
      onFrame({
        ...{ type: "round", id, round, consensus },
        groups: groups.map(({ answer, agents }) => ({ answer, count: agents.length, agents: [...agents] })),
      }),
  };
}

/** The frame that a debate begins with. */
export function debateFrame(
  id: string,
  { question, rounds, seed }: Pick<AskedDebate, "question" | "rounds" | "seed">,
  team: DebateTeam,
): DebateProgressFrame {
  return { type: "debate", id, task: question.task, agents: team.agents.map(agentOf), rounds, seed };
}

export function debateResponseOf(
  id: string,
  { question, seed }: Pick<AskedDebate, "question" | "seed">,
  { held, queueMs, totalMs }: EndedDebate,
  team: DebateTeam,
  baseline: Baseline,
): DebateResponse {
  const { answer, reasoning, votes, cost, stopReason } = held;
  const usage = usageOf(cost);
  return {
    id,
    model: "debate",
    task: question.task,
    answer,
    reasoning,
    votes: [...votes],
    stop_reason: stopReason === "gone" ? "abort" : stopReason, // who is gone gets no response
    usage,
    comparison: comparisonWith(baseline, usage.total_tokens),
    timing: { queue_ms: rounded(queueMs), total_ms: rounded(totalMs) },
    seed,
    debate: accountOf(held, team),
  };
}

export function accountOf(
  { rounds, decidedIn, consensus, team: votes, nodes, missing }: HeldDebate,
  team: DebateTeam,
): DebateAccount {
  return {
    rounds,
    decided_in: decidedIn,
    consensus,
    team: { rescaled: votes.rescaled, majority: votes.majority, mean_confidence: votes.meanConfidence },
    agents: team.agents.map(agentOf),
    nodes: nodes.map(nodeOf),
    missing: missing.map(missingOf),
  };
}

export function usageOf({
  calls,
  unreportedCalls,
  promptTokens,
  completionTokens,
  usd,
}: DebateCost): DebateUsage {
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
    calls,
    unreported_calls: unreportedCalls,
    usd,
  };
}

function agentOf({ name, model }: TeamAgent) {
  return { name, model };
}

function nodeOf(node: HeldNode): DebateAccount["nodes"][number] {
  const { agent, round, answer, confidence, reasoning, refused, model, usd, ms } = node;
  return {
    ...{ agent, round, answer, confidence, reasoning, refused, model },
    finish_reason: node.finishReason,
    prompt_tokens: node.promptTokens,
    completion_tokens: node.completionTokens,
    ...{ usd, ms },
  };
}

/** Without the agent's own text, which may have what is not the client's. */
function missingOf({ agent, round, status, cut }: HeldMissing): DebateAccount["missing"][number] {
  const reason = cut ? "stopped" : status === null ? "failed" : "status";
  return { agent, round, reason, status };
}

function rounded(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}
