// Debates as text for the terminal: one with its agents as columns and its rounds as rows, or a list of them.

import { shortLine } from "../../base/markdown.ts";
import type { DebateView, ViewNode } from "./debate-view.ts";

const MOST_OF_QUESTION = 60;
const MOST_OF_ANSWER = 24;

/** A debate: what was asked, a table of the answers, the votes and the cost. Reasoning is left to the page. */
export function debateText(view: DebateView): string {
  const { nodes, choices, gold } = view;
  const rounds = Array.from({ length: roundsOf(view) }, (_, round) => [
    String(round),
    ...view.agents.map((agent) => cellOf(view, agent, round)),
  ]);
  const known = nodes.flatMap(({ promptTokens, completionTokens, usd }) =>
    promptTokens === null || completionTokens === null ? [] : [{ promptTokens, completionTokens, usd }],
  );
  const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
  const usd = known.every((node) => node.usd !== null)
    ? `, $${sum(known.map((node) => node.usd ?? 0)).toFixed(4)}`
    : "";
  const unsaid =
    nodes.length > known.length ? `, ${nodes.length - known.length} answers without a count` : "";
  const cost =
    known.length === 0
      ? "tokens not recorded"
      : `${sum(known.map((node) => node.promptTokens))} tokens of prompts and ${sum(known.map((node) => node.completionTokens))} generated${usd}${unsaid}`;
  return [
    `${shortLine(`${view.benchmark} ${view.id}`)}, ${view.task}`,
    [
      shortLine(view.question),
      ...(choices ?? []).map(({ label, text }) => `  ${shortLine(label)}  ${shortLine(text)}`),
      ...(gold === null ? [] : [`right answer: ${shortLine(gold)}`]),
    ].join("\n"),
    tableOf(["round", ...view.agents.map(shortLine)], rounds),
    [
      `${view.agents.length} agents, rounds 0 to ${Math.max(0, rounds.length - 1)}, ${view.consensus ? "consensus" : "no consensus"}`,
      view.votes.map((vote) => `${vote.name}: ${judged(view, vote)}`).join(", "),
      `${nodes.length} answers, ${cost}`,
    ].join("\n"),
  ].join("\n\n");
}

/** A line for each debate, and how many there are. */
export async function debateList(debates: AsyncIterable<DebateView>): Promise<string> {
  const rows: string[][] = [];
  let agreed = 0;
  for await (const view of debates) {
    const [vote] = view.votes;
    agreed += Number(view.consensus);
    rows.push([
      shortLine(view.id),
      shortLine(view.benchmark),
      String(roundsOf(view)),
      view.consensus ? "consensus" : "no consensus",
      vote === undefined ? "" : judged(view, vote),
      cut(view.question, MOST_OF_QUESTION),
    ]);
  }
  const table = tableOf(["id", "benchmark", "rounds", "outcome", "answer", "question"], rows);
  return `${table}\n\n${rows.length} debates, ${agreed} to consensus`;
}

/** Rounds that were begun, the one alone among them. */
function roundsOf({ nodes, missing }: DebateView): number {
  return Math.max(-1, ...[...nodes, ...missing].map(({ round }) => round)) + 1;
}

function cellOf(view: DebateView, agent: string, round: number): string {
  const isThis = (one: Pick<ViewNode, "agent" | "round">) => one.agent === agent && one.round === round;
  const node = view.nodes.find(isThis);
  if (node === undefined) return view.missing.some(isThis) ? "failed" : "";
  if (node.answer === null) return node.refused ? "refused" : "no answer";
  const confidence = node.confidence === null ? "" : ` ${node.confidence.toFixed(2)}`;
  return `${judged(view, node)}${confidence}`;
}

/** "630 right" */
function judged({ answers }: DebateView, { answer, group }: Pick<ViewNode, "answer" | "group">): string {
  if (answer === null) return "no answer";
  const correct = group === null ? null : (answers[group]?.correct ?? null);
  return `${cut(answer, MOST_OF_ANSWER)}${correct === null ? "" : correct ? " right" : " wrong"}`;
}

function cut(text: string, most: number): string {
  const characters = [...shortLine(text)];
  return characters.length > most ? `${characters.slice(0, most - 1).join("")}…` : characters.join("");
}

/** All columns aligned left. */
function tableOf(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = header.map((name, at) => Math.max(name.length, ...rows.map((row) => row[at]?.length ?? 0)));
  const rule = widths.map((width) => "-".repeat(width));
  return [header, rule, ...rows]
    .map((row) =>
      row
        .map((cell, at) => cell.padEnd(widths[at] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}
