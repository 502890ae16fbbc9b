// The report of debates as SVG: accuracy by round, and accuracy against tokens with self-consistency beside.

import type { Figure } from "../eval/figures.ts";
import { groupTitle } from "./debate-page.ts";
import type { DebateReport, TeamScores } from "./debate-report.ts";

const SIZE = { width: 320, height: 240 };
const COLUMNS = 2;
const VOTES: Readonly<Record<keyof TeamScores, string>> = {
  rescaled: "team, rescaled confidence",
  majority: "team, majority",
  mean_confidence: "team, mean confidence",
};
const VOTE_NAMES = Object.keys(VOTES) as (keyof TeamScores)[]; // its own keys

const axis = <T extends object>(field: string, title: string, more?: T) =>
  ({ field, type: "quantitative", title, ...more }) as const;
const y = axis("accuracy", "accuracy (%)", { scale: { zero: false } });
const nominal = { type: "nominal", title: null, sort: null } as const;
const legend = { labelLimit: 0 };
/** Names tell agents from votes. */
const dash = { ...nominal, field: "kind", legend: null } as const;
const kind = { ...nominal, field: "kind", legend } as const;

/** The figures that the report has numbers for. */
export function debateFiguresOf({ runs }: DebateReport): Figure[] {
  const groups = runs.flatMap(({ run, results }) =>
    results.map((group) => ({
      group,
      of: runs.length > 1 ? `${run}: ${groupTitle(group)}` : groupTitle(group),
    })),
  );
  const rounds = groups.flatMap(({ group, of }) =>
    group.after_round.flatMap(({ round, team, agents }) => [
      ...agents.map(({ agent, accuracy }) => ({ ...{ of, round, accuracy }, who: agent, kind: "agent" })),
      ...VOTE_NAMES.map((vote) => ({
        ...{ of, round },
        accuracy: team[vote].accuracy,
        who: VOTES[vote],
        kind: "team",
      })),
    ]),
  );
  const tokens = groups.flatMap(({ group, of }) => [
    ...group.after_round.map(({ completion_tokens_mean: count, team }) => ({
      ...{
        of,
        tokens: count,
        accuracy: team.rescaled.accuracy,
        who: VOTES.rescaled,
        kind: "debate, round by round",
      },
    })),
    ...group.by_agent.flatMap(({ agent, rounds: [alone] }) =>
      alone === undefined
        ? []
        : [{ of, tokens: alone.completion_tokens_mean, accuracy: alone.accuracy, who: agent, kind: "alone" }],
    ),
    ...group.self_consistency.flatMap(({ agent, by_samples: all }) =>
      all.map(({ completion_tokens_mean: count, accuracy }) => ({
        ...{ of, tokens: count, accuracy, who: agent, kind: "self-consistency" },
      })),
    ),
  ]);
  const agents = groups.flatMap(({ group }) => group.by_agent.map(({ agent }) => agent));
  // In both figures everybody has the same colour.
  const domain = [...new Set([...agents, ...VOTE_NAMES.map((vote) => VOTES[vote])])];
  const color = { ...nominal, field: "who", scale: { domain }, legend } as const;
  const figures = [
    {
      name: "rounds",
      title: "Accuracy of all debates after each round",
      values: shown(rounds),
      encoding: { x: axis("round", "round", { axis: { tickMinStep: 1 } }), y, color, strokeDash: dash },
    },
    {
      name: "tokens",
      title: "Accuracy against generated tokens a question",
      values: shown(tokens.filter((point) => (point.tokens ?? 0) > 0)),
      encoding: {
        x: axis("tokens", "generated tokens a question", { scale: { type: "log" } }),
        ...{ y, color, strokeDash: kind, shape: kind },
      },
    },
  ] as const;
  return figures
    .filter(({ values }) => values.length > 0)
    .map(({ name, title, values, encoding }): Figure => {
      const spec = { ...SIZE, mark: { type: "line", point: true }, encoding } as const;
      const facet = { field: "of", type: "nominal", title: null, sort: groups.map(({ of }) => of) } as const;
      return { name, title, spec: { data: { values }, facet, columns: COLUMNS, spec } };
    });
}

function shown<T extends { readonly accuracy: number | null }>(points: readonly T[]) {
  return points.flatMap((point) =>
    point.accuracy === null ? [] : [{ ...point, accuracy: 100 * point.accuracy }],
  );
}
