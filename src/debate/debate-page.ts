// The report of debates as a Markdown page.

import { markdownText } from "../base/markdown.ts";
import { datasetTitle } from "../eval/datasets.ts";
import { percent, table } from "../eval/markdown.ts";
import type { AgentReport, DebateReport, GroupReport, RunReport } from "./debate-report.ts";
import type { Score } from "./score.ts";
import type { EqualTokens, SelfConsistencyReport } from "./self-consistency-report.ts";

/** `figures`: image files relative to the page. */
export function debatePage(
  { runs }: DebateReport,
  figures: readonly { readonly title: string; readonly file: string }[],
): string {
  return [
    "# Debates",
    "Accuracies with Wilson's interval of 95 %; tokens as the agents count them.",
    ...figures.map(({ title, file }) => `![${title}](${file})`),
    ...runs.flatMap((run) => runPart(run, runs.length > 1)),
    "",
  ].join("\n\n");
}

function runPart(run: RunReport, isNamed: boolean): string[] {
  const hashes = run.prompts_sha256.map((hash) => hash.slice(0, 16)).join(", ");
  return [
    ...(isNamed ? [`# ${markdownText(run.run)}`] : []),
    `${run.debates} debates of ${run.begun} questions that were begun; prompts ${hashes || "–"}.`,
    ...run.results.flatMap(groupPart),
    "## Cost",
    "All calls, failed ones and samples of self-consistency too; USD at the prices of the time of each call.",
    costTable(run.agents),
  ];
}

/** A data set's title, the name of a task, or "all". */
export function groupTitle({ dataset, task }: Pick<GroupReport, "dataset" | "task">): string {
  if (dataset !== null) return datasetTitle(dataset);
  return task === null ? "all" : `all of ${task}`;
}

function groupPart(group: GroupReport): string[] {
  const { by_agent: agents, after_round: after, ended_in_round: ended } = group;
  const rounds = ended.map((_, round) => `round ${round}`);
  const endings = ended.map((count, round) => `${count} in round ${round}`).join(", ");
  return [
    `## ${markdownText(groupTitle(group))}`,
    `${group.debates} debates${group.dataset === null || group.task === null ? "" : ` (${group.task})`}, to consensus ${scoreText(group.consensus)}; they ended ${endings}. A debate took ${fixed(group.calls_mean)} calls, ${fixed(group.prompt_tokens_mean)} tokens of prompts and ${fixed(group.completion_tokens_mean)} generated tokens, ${usd(group.usd_mean)}.`,
    "Right among the answers of each round:",
    table(
      ["agent", ...rounds],
      agents.map(({ agent, rounds: scores }) => [markdownText(agent), ...scores.map(scoreText)]),
    ),
    "Generated tokens of an answer, and those of its prompt:",
    table(
      ["agent", ...rounds],
      agents.map(({ agent, rounds: scores }) => [
        markdownText(agent),
        ...scores.map(({ of, completion_tokens_mean: completion, prompt_tokens_mean: prompt }) =>
          of === 0 ? "–" : `${fixed(completion)} (${fixed(prompt)})`,
        ),
      ]),
    ),
    "Right among all debates after each round, where those that ended before keep their answers:",
    table(
      ["", ...rounds],
      [
        ...agents.map(({ agent }, index) => [
          markdownText(agent),
          ...after.map((one) => percentText(one.agents[index])),
        ]),
        ["team, rescaled confidence", ...after.map(({ team }) => percentText(team.rescaled))],
        ["team, majority", ...after.map(({ team }) => percentText(team.majority))],
        ["team, mean confidence", ...after.map(({ team }) => percentText(team.mean_confidence))],
      ],
    ),
    `Discussion turned ${group.wrong_to_right} wrong answers into right ones and ${group.right_to_wrong} right ones into wrong ones:`,
    table(
      ["agent", "wrong to right", "right to wrong"],
      agents.map((one) => [markdownText(one.agent), String(one.wrong_to_right), String(one.right_to_wrong)]),
    ),
    ...selfConsistencyPart(group),
  ];
}

function selfConsistencyPart({ self_consistency: reports, team }: GroupReport): string[] {
  if (reports.length === 0) return [];
  const rows = reports.flatMap((report) => [
    equalRow(report, "generated tokens", report.at_generated_tokens),
    equalRow(report, "all tokens", report.at_all_tokens),
  ]);
  const sizes = [1, 2, 3, 5, 10, 20, 40].filter((size) =>
    reports.some(({ by_samples: all }) => all.length >= size),
  );
  return [
    "### Self-consistency",
    `The majority of an agent's own samples, as many as cost what the debate of the question cost. The team was right in ${scoreText(team.rescaled)} (rescaled confidence). The difference is the team's accuracy less the agent's, of the same questions, with its interval of 95 %.`,
    table(
      [
        "agent",
        "equal in",
        "right",
        "samples",
        "generated",
        "prompts",
        "USD",
        "short",
        "team less agent",
        "p",
      ],
      rows,
    ),
    "By the number of samples:",
    table(
      ["agent", ...sizes.map((size) => `n = ${size}`)],
      reports.map(({ agent, by_samples: all }) => [
        markdownText(agent),
        ...sizes.map((size) => percentText(all[size - 1])),
      ]),
    ),
  ];
}

function equalRow({ agent }: SelfConsistencyReport, equal: string, at: EqualTokens | null): string[] {
  if (at === null) return [markdownText(agent), equal, ...Array.from({ length: 8 }, () => "unknown")];
  const { difference, interval, p } = at.against_debate;
  return [
    markdownText(agent),
    equal,
    scoreText(at),
    fixed(at.samples_mean),
    fixed(at.completion_tokens_mean),
    fixed(at.prompt_tokens_mean),
    usd(at.usd_mean),
    String(at.short),
    `${signed(difference)} (${interval.map(signed).join(" to ")})`,
    p.toFixed(3),
  ];
}

function costTable(agents: readonly AgentReport[]): string {
  return table(
    [
      ...[
        "agent",
        "calls",
        "samples",
        "failed",
        "without a count",
        "prompt tokens",
        "generated tokens",
        "USD",
      ],
      ...["missing", "unread", "refused"],
    ],
    agents.map((agent) => [
      markdownText(agent.agent),
      ...[
        agent.calls,
        agent.sample_calls,
        agent.failed_calls,
        agent.unreported_calls,
        agent.prompt_tokens,
        agent.completion_tokens,
      ].map(String),
      agent.usd === null ? "unknown" : agent.usd.toFixed(4),
      ...[agent.missing_nodes, agent.unread_answers, agent.refusals].map(String),
    ]),
  );
}

function scoreText(score: Score): string {
  return score.of === 0 ? "–" : `${score.right} of ${score.of}: ${percentText(score)}`;
}

function percentText(score: Score | undefined): string {
  if (score === undefined || score.accuracy === null) return "–";
  return `${percent(score.accuracy)} % (${score.accuracy_ci95.map(percent).join("–")})`;
}

function signed(share: number): string {
  return `${share > 0 ? "+" : ""}${percent(share)}`;
}

function fixed(value: number | null): string {
  return value === null ? "unknown" : value.toFixed(1);
}

function usd(value: number | null): string {
  return value === null ? "money unknown" : `$${value.toPrecision(3)}`;
}
