// The report of debates: accuracy and tokens by agent, round and vote, who changed his mind, what it came to, and
// self-consistency beside it. Made of folders alone, one run or several.

import type { DebateFolder } from "./debate-folder.ts";
import { type DebateOutline, type NodeOutline, TEAM_VOTES, type TeamVote } from "./debate-outline.ts";
import { meanOf, type Score, scoreOf, sumOf } from "./score.ts";
import { type SelfConsistencyReport, selfConsistencyReports } from "./self-consistency-report.ts";

export interface DebateReport {
  readonly format: "magdi-debate-1";
  readonly runs: readonly RunReport[];
}

export interface RunReport {
  readonly run: string;
  /** Questions with a call. */
  readonly begun: number;
  readonly debates: number;
  readonly prompts_sha256: readonly string[];
  /** By data set; then by task and over all, where that is not the same. */
  readonly results: readonly GroupReport[];
  /** All calls that are journalled, those of debates without an end too. */
  readonly agents: readonly AgentReport[];
}

export interface GroupReport {
  /** Null for a task, and for all. */
  readonly dataset: string | null;
  /** Null for all. */
  readonly task: string | null;
  readonly debates: number;
  readonly consensus: Score;
  /** How many debates ended in each round, from round 0. */
  readonly ended_in_round: readonly number[];
  readonly team: TeamScores;
  readonly by_agent: readonly AgentRounds[];
  /** All debates after each round, as if they had ended there: from round 0. */
  readonly after_round: readonly AfterRound[];
  /** An agent's first answer against its last, in debates with further rounds. */
  readonly wrong_to_right: number;
  readonly right_to_wrong: number;
  /** Of a debate's answers, without failed calls; null where agents do not say. */
  readonly calls_mean: number;
  readonly prompt_tokens_mean: number | null;
  readonly completion_tokens_mean: number | null;
  readonly usd_mean: number | null;
  readonly self_consistency: readonly SelfConsistencyReport[];
}

export interface TeamScores {
  readonly rescaled: Score;
  readonly majority: Score;
  readonly mean_confidence: Score;
}

export interface AgentRounds {
  readonly agent: string;
  /** Of those that it answered in, in order. */
  readonly rounds: readonly (Score & {
    readonly prompt_tokens_mean: number | null;
    readonly completion_tokens_mean: number | null;
  })[];
  readonly wrong_to_right: number;
  readonly right_to_wrong: number;
}

export interface AfterRound {
  readonly round: number;
  /** What was generated up to then, a debate. */
  readonly completion_tokens_mean: number | null;
  readonly team: TeamScores;
  /** Each agent's last answer up to then; none counts as wrong. */
  readonly agents: readonly (Score & { readonly agent: string })[];
}

export interface AgentReport {
  readonly agent: string;
  readonly model: string | null;
  /** Names of models that answered, where they are others than the one that was asked for. */
  readonly answered_as: readonly string[];
  readonly calls: number;
  /** Samples of self-consistency among them. */
  readonly sample_calls: number;
  readonly failed_calls: number;
  readonly unreported_calls: number;
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
  /** At the prices of the time of each call; null without. */
  readonly usd: number | null;
  readonly missing_nodes: number;
  readonly unread_answers: number;
  readonly refusals: number;
  readonly without_confidence: number;
}

export interface NamedFolder {
  readonly name: string;
  readonly folder: DebateFolder;
}

export function debateReport(runs: readonly NamedFolder[]): DebateReport {
  return { format: "magdi-debate-1", runs: runs.map(({ name, folder }) => runReport(name, folder)) };
}

function runReport(run: string, folder: DebateFolder): RunReport {
  const { debates, begun, sampled, costs } = folder;
  return {
    run,
    begun,
    debates: debates.length,
    prompts_sha256: [...new Set(debates.map(({ promptsSha256 }) => promptsSha256))].sort(),
    results: groupsOf(debates).map(({ of, ...name }) => ({
      ...name,
      ...groupReport(of),
      self_consistency: selfConsistencyReports(of, sampled),
    })),
    agents: costs.map((one) => agentReport(one, debates)),
  };
}

interface Group {
  readonly dataset: string | null;
  readonly task: string | null;
  readonly of: readonly DebateOutline[];
}

function groupsOf(debates: readonly DebateOutline[]): Group[] {
  const datasets = [...new Set(debates.map(({ dataset }) => dataset))].map((dataset): Group => {
    const of = debates.filter((debate) => debate.dataset === dataset);
    const tasks = new Set(of.map(({ task }) => task));
    return { dataset, task: tasks.size === 1 ? (of[0]?.task ?? null) : null, of };
  });
  const tasks = [...new Set(debates.map(({ task }) => task))]
    .map((task): Group => ({ dataset: null, task, of: debates.filter((debate) => debate.task === task) }))
    .filter(({ of }) => new Set(of.map(({ dataset }) => dataset)).size > 1 && of.length < debates.length);
  const all = datasets.length > 1 ? [{ dataset: null, task: null, of: debates }] : [];
  return [...datasets, ...tasks, ...all];
}

function groupReport(
  debates: readonly DebateOutline[],
): Omit<GroupReport, "dataset" | "task" | "self_consistency"> {
  const last = debates.reduce((most, { rounds }) => Math.max(most, rounds), 0);
  const range = Array.from({ length: last + 1 }, (_, round) => round);
  const agents = [...new Set(debates.flatMap(({ nodes }) => nodes.map(({ agent }) => agent)))];
  const byAgent = agents.map((agent) => agentRounds(agent, debates, range));
  const mean = (of: (node: NodeOutline) => number | null) =>
    meanOf(debates.map(({ nodes }) => sumOf(nodes.map(of))));
  const team = teamScores(debates, last);
  return {
    debates: debates.length,
    consensus: scoreOf(debates.map(({ consensus }) => consensus)),
    ended_in_round: range.map((round) => debates.filter(({ rounds }) => rounds === round).length),
    team,
    by_agent: byAgent,
    after_round: range.map((round) => afterRound(round, debates, agents)),
    wrong_to_right: byAgent.reduce((sum, one) => sum + one.wrong_to_right, 0),
    right_to_wrong: byAgent.reduce((sum, one) => sum + one.right_to_wrong, 0),
    calls_mean: debates.reduce((sum, { nodes }) => sum + nodes.length, 0) / debates.length,
    prompt_tokens_mean: mean(({ promptTokens }) => promptTokens),
    completion_tokens_mean: mean(({ completionTokens }) => completionTokens),
    usd_mean: mean(({ usd }) => usd),
  };
}

function teamScores(debates: readonly DebateOutline[], round: number): TeamScores {
  const vote = (name: TeamVote) =>
    scoreOf(debates.map(({ team }) => team[Math.min(round, team.length - 1)]?.[name] === true));
  const [rescaled, majority, meanConfidence] = TEAM_VOTES.map(vote) as [Score, Score, Score]; // there are three
  return { rescaled, majority, mean_confidence: meanConfidence };
}

function agentRounds(
  agent: string,
  debates: readonly DebateOutline[],
  range: readonly number[],
): AgentRounds {
  const own = debates.map(({ nodes }) => nodes.filter((node) => node.agent === agent));
  const changes = own.map((nodes) => [nodes[0]?.correct, nodes.at(-1)?.correct]);
  return {
    agent,
    rounds: range.map((round) => {
      const nodes = own.flat().filter((node) => node.round === round);
      return {
        ...scoreOf(nodes.map(({ correct }) => correct)),
        prompt_tokens_mean: meanOf(nodes.map(({ promptTokens }) => promptTokens)),
        completion_tokens_mean: meanOf(nodes.map(({ completionTokens }) => completionTokens)),
      };
    }),
    wrong_to_right: changes.filter(([before, after]) => before === false && after === true).length,
    right_to_wrong: changes.filter(([before, after]) => before === true && after === false).length,
  };
}

function afterRound(round: number, debates: readonly DebateOutline[], agents: readonly string[]): AfterRound {
  const until = debates.map(({ nodes }) => nodes.filter((node) => node.round <= round));
  return {
    round,
    completion_tokens_mean: meanOf(
      until.map((nodes) => sumOf(nodes.map(({ completionTokens }) => completionTokens))),
    ),
    team: teamScores(debates, round),
    agents: agents.map((agent) => ({
      agent,
      ...scoreOf(until.map((nodes) => nodes.findLast((node) => node.agent === agent)?.correct === true)),
    })),
  };
}

function agentReport(costs: DebateFolder["costs"][number], debates: readonly DebateOutline[]): AgentReport {
  const { agent, model } = costs;
  const nodes = debates.flatMap((debate) => debate.nodes.filter((node) => node.agent === agent));
  const missing = debates.flatMap((debate) => debate.missing.filter((node) => node.agent === agent));
  const count = (holds: (node: NodeOutline) => boolean) => nodes.filter(holds).length;
  const others = nodes.flatMap((node) => (node.model === null || node.model === model ? [] : [node.model]));
  return {
    agent,
    model,
    answered_as: model === null ? [] : [...new Set(others)].sort(),
    calls: costs.calls,
    sample_calls: costs.sampleCalls,
    failed_calls: costs.failedCalls,
    unreported_calls: costs.unreportedCalls,
    prompt_tokens: costs.promptTokens,
    completion_tokens: costs.completionTokens,
    usd: costs.usd,
    missing_nodes: missing.length,
    unread_answers: count(({ answered, refused }) => !answered && !refused),
    refusals: count(({ refused }) => refused),
    without_confidence: count(({ hasConfidence }) => !hasConfidence),
  };
}
