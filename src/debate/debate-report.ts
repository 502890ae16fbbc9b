// The report of debates: accuracy by agent, round and vote, who changed his mind, and what it came to.

import { markdownText } from "../base/markdown.ts";
import { table } from "../eval/markdown.ts";
import { labelOf } from "../mag/labels.ts";
import type { Agent } from "./agent.ts";
import type { Debate, SpokenNode } from "./debate.ts";
import type { DebateLedger } from "./debate-ledger.ts";

/** Right answers among answers. */
interface Score {
  readonly right: number;
  readonly of: number;
}

export interface DebateReport {
  readonly format: "magdi-debate-1";
  readonly questions: number;
  readonly debates: number;
  readonly prompts_sha256: string;
  /** By data set. */
  readonly results: readonly DatasetReport[];
  /** All calls that are journalled, those of debates without an end too. */
  readonly agents: readonly AgentReport[];
}

interface DatasetReport {
  readonly dataset: string;
  readonly task: string;
  readonly debates: number;
  readonly consensus: number;
  /** How many debates ended in each round, from round 0. */
  readonly ended_in_round: readonly number[];
  readonly team: { readonly rescaled: Score; readonly majority: Score; readonly mean_confidence: Score };
  /** By agent, its rounds in order. */
  readonly by_agent: readonly { readonly agent: string; readonly rounds: readonly Score[] }[];
  /** An agent's first answer against its last, in debates with further rounds. */
  readonly wrong_to_right: number;
  readonly right_to_wrong: number;
  /** Of a debate's answers, without failed calls; null where agents do not say. */
  readonly calls_mean: number;
  readonly prompt_tokens_mean: number | null;
  readonly completion_tokens_mean: number | null;
}

interface AgentReport {
  readonly agent: string;
  readonly model: string | null;
  /** Names of models that answered, where they are others than the one that was asked for. */
  readonly answered_as: readonly string[];
  readonly calls: number;
  readonly failed_calls: number;
  readonly unreported_calls: number;
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
  readonly usd: number | null;
  readonly missing_nodes: number;
  readonly unread_answers: number;
  readonly refusals: number;
  readonly without_confidence: number;
}

export function debateReport(
  debates: readonly Debate[],
  questions: number,
  agents: readonly Agent[],
  ledger: DebateLedger,
  promptsSha256: string,
): DebateReport {
  const datasets = [...new Set(debates.map(({ question }) => question.dataset))];
  return {
    format: "magdi-debate-1",
    questions,
    debates: debates.length,
    prompts_sha256: promptsSha256,
    results: datasets.map((dataset) =>
      datasetReport(
        dataset,
        debates.filter(({ question }) => question.dataset === dataset),
        agents,
      ),
    ),
    agents: agents.map((agent) => agentReport(agent, debates, ledger)),
  };
}

function datasetReport(
  dataset: string,
  debates: readonly Debate[],
  agents: readonly Pick<Agent, "name">[],
): DatasetReport {
  const team = (vote: keyof Debate["team"]) =>
    scoreOf(debates.map(({ team: answer, question }) => labelOf(answer[vote], question)));
  const rounds = debates.reduce((most, { rounds: last }) => Math.max(most, last), 0);
  const range = Array.from({ length: rounds + 1 }, (_, round) => round);
  const changes = debates.flatMap((debate) => agents.map(({ name }) => changeOf(debate, name)));
  const calls = debates.flatMap(({ nodes }) => nodes.map(({ call }) => call));
  return {
    dataset,
    task: debates[0]?.question.task ?? "",
    debates: debates.length,
    consensus: debates.filter((debate) => debate.consensus).length,
    ended_in_round: range.map((round) => debates.filter(({ rounds: last }) => last === round).length),
    team: {
      rescaled: team("rescaled"),
      majority: team("majority"),
      mean_confidence: team("meanConfidence"),
    },
    by_agent: agents.map(({ name }) => ({
      agent: name,
      rounds: range.map((round) =>
        scoreOf(
          debates.flatMap(({ nodes, question }) =>
            nodes
              .filter((node) => node.agent === name && node.round === round)
              .map(({ answer }) => labelOf(answer, question)),
          ),
        ),
      ),
    })),
    wrong_to_right: changes.filter((change) => change === "wrong to right").length,
    right_to_wrong: changes.filter((change) => change === "right to wrong").length,
    calls_mean: calls.length / debates.length,
    prompt_tokens_mean: meanOf(
      calls.map((call) => call.prompt_tokens),
      debates.length,
    ),
    completion_tokens_mean: meanOf(
      calls.map((call) => call.completion_tokens),
      debates.length,
    ),
  };
}

function changeOf({ nodes, question }: Debate, agent: string): "wrong to right" | "right to wrong" | null {
  const own = nodes.filter((node) => node.agent === agent);
  const [first, last] = [own[0], own.at(-1)];
  if (first === undefined || last === undefined || first === last) return null;
  const [before, after] = [labelOf(first.answer, question), labelOf(last.answer, question)];
  if (before === after) return null;
  return after === 1 ? "wrong to right" : "right to wrong";
}

function agentReport(agent: Agent, debates: readonly Debate[], ledger: DebateLedger): AgentReport {
  const sums = ledger.byAgent().get(agent.name)!; // the ledger is of these agents
  const nodes = debates.flatMap((debate) => debate.nodes.filter(({ agent: name }) => name === agent.name));
  const missing = debates.flatMap((debate) =>
    debate.missing.filter(({ agent: name }) => name === agent.name),
  );
  const count = (holds: (node: SpokenNode) => boolean) => nodes.filter(holds).length;
  const others = new Set(
    nodes.flatMap(({ model }) => (model === null || model === agent.model ? [] : [model])),
  );
  return {
    agent: agent.name,
    model: agent.model,
    answered_as: agent.model === null ? [] : [...others].sort(),
    calls: sums.calls,
    failed_calls: sums.failedCalls,
    unreported_calls: sums.unreportedCalls,
    prompt_tokens: sums.promptTokens,
    completion_tokens: sums.completionTokens,
    usd: sums.usd,
    missing_nodes: missing.length,
    unread_answers: count(({ answer, refused }) => answer === null && !refused),
    refusals: count(({ refused }) => refused),
    without_confidence: count(({ confidence }) => confidence === null),
  };
}

function scoreOf(labels: readonly (0 | 1)[]): Score {
  return { right: labels.filter((label) => label === 1).length, of: labels.length };
}

function meanOf(values: readonly (number | null)[], debates: number): number | null {
  let sum = 0;
  for (const value of values) {
    if (value === null) return null;
    sum += value;
  }
  return sum / debates;
}

/** A report as a Markdown page. */
export function debatePage(report: DebateReport): string {
  const datasets = report.results.map((result) => {
    const { right_to_wrong: worse, wrong_to_right: better, team } = result;
    const rounds = result.ended_in_round.map((_, round) => `round ${round}`);
    return `## ${markdownText(result.dataset)}

${result.debates} debates (${result.task}), ${result.consensus} to consensus; they ended ${result.ended_in_round
      .map((count, round) => `${count} in round ${round}`)
      .join(
        ", ",
      )}. Discussion turned ${better} wrong answers into right ones and ${worse} right ones into wrong ones.
A debate took ${fixed(result.calls_mean)} calls, ${fixed(result.prompt_tokens_mean)} tokens of prompts and ${fixed(result.completion_tokens_mean)} generated tokens.

${table(
  ["right", ...rounds],
  result.by_agent.map((agent) => [markdownText(agent.agent), ...agent.rounds.map(scoreText)]),
)}

${table(
  ["team's vote", "right"],
  [
    ["rescaled confidence", scoreText(team.rescaled)],
    ["majority", scoreText(team.majority)],
    ["mean confidence", scoreText(team.mean_confidence)],
  ],
)}
`;
  });
  return `# Debates

${report.debates} of ${report.questions} questions.

${datasets.join("\n")}
## Cost

As the agents count it, failed calls too.

${table(
  [
    "agent",
    "calls",
    "failed",
    "without a count",
    "prompt tokens",
    "generated tokens",
    "USD",
    "missing",
    "unread",
    "refused",
  ],
  report.agents.map((agent) => [
    markdownText(agent.agent),
    ...[
      agent.calls,
      agent.failed_calls,
      agent.unreported_calls,
      agent.prompt_tokens,
      agent.completion_tokens,
    ].map(String),
    agent.usd === null ? "unknown" : agent.usd.toFixed(4),
    ...[agent.missing_nodes, agent.unread_answers, agent.refusals].map(String),
  ]),
)}
`;
}

function scoreText({ right, of }: Score): string {
  return of === 0 ? "–" : `${right} of ${of} (${((100 * right) / of).toFixed(1)} %)`;
}

function fixed(value: number | null): string {
  return value === null ? "unknown" : value.toFixed(1);
}
