// What debates will cost, in words: from a few of them, or from earlier ones without asking anybody.

import type { AgentSpec } from "../debate/agents-file.ts";
import { type DebateEstimate, type EstimateSource, estimateDebates } from "../debate/debate-estimate.ts";
import { readDebateFolders } from "../debate/debate-folder.ts";
import type { CostSums, PricedAgent } from "../debate/debate-model.ts";
import { type DebateOutline, outlineOfDebate } from "../debate/debate-outline.ts";
import { type DebatesRun, endedDebates } from "../debate/run-debates.ts";
import type { Question } from "../eval/question-formats.ts";
import type { Debating } from "./debate-steps.ts";
import { sumsText } from "./debate-sums.ts";

/** From the debates that have just been held. */
export async function estimateOfRun(debating: Debating, { ended }: DebatesRun): Promise<string> {
  const debates: DebateOutline[] = [];
  for await (const debate of endedDebates(ended, debating)) debates.push(outlineOfDebate(debate));
  const { questions, agents, settings, alone, ledger } = debating;
  const estimate = estimateDebates({ questions, debates, agents, rounds: settings.rounds });
  const lines = estimateLines(estimate, questions.length, debates.length, "");
  const names = alone.map(({ name }) => name);
  return [...lines, ...aloneLines(names), `of these already paid for: ${sumsText(ledger)}`].join("\n");
}

/**
 * From earlier debates, of these data sets or of others with the same task.
 * @throws MAGDI_FILE_MISSING, MAGDI_BAD_FILE, MAGDI_BAD_CONFIG
 */
export async function estimateFromFolders(
  folders: readonly string[],
  questions: readonly Question[],
  specs: readonly AgentSpec[],
  { rounds, selfConsistency = [] }: { readonly rounds: number; readonly selfConsistency?: readonly string[] },
): Promise<string> {
  const { debates } = await readDebateFolders(folders);
  const agents = specs.map(pricedAgent);
  const estimate = estimateDebates({ questions, debates, agents, rounds });
  const known = new Set(debates.flatMap(({ nodes }) => nodes.map(({ agent }) => agent)));
  const others = agents.filter(({ name }) => !known.has(name)).map(({ name }) => name);
  return [
    ...estimateLines(estimate, questions.length, debates.length, ` in ${folders.join(", ")}`),
    ...(others.length === 0
      ? []
      : [`${others.join(", ")}: in none of these debates, taken as the mean of the others`]),
    ...aloneLines(selfConsistency),
    "nothing was asked",
  ].join("\n");
}

/** A student costs nothing, as when it is opened. */
function pricedAgent(spec: AgentSpec): PricedAgent {
  const prices =
    "student" in spec
      ? { inputUsdPerMillion: 0, outputUsdPerMillion: 0 }
      : { inputUsdPerMillion: spec.usd_per_million_input, outputUsdPerMillion: spec.usd_per_million_output };
  return { name: spec.name, prices };
}

function estimateLines(
  { sums, interval, ending, sources }: DebateEstimate,
  questions: number,
  debates: number,
  where: string,
): string[] {
  const about = (name: keyof CostSums, shown: (value: number | null) => string) => {
    if (interval === null || interval.low[name] === null) return shown(sums[name]);
    return `${shown(sums[name])} (${shown(interval.low[name])} to ${shown(interval.high[name])})`;
  };
  const whole = (value: number | null) => String(Math.round(value ?? 0));
  const usd = (value: number | null) =>
    value === null ? "money unknown without prices" : `$${value.toFixed(4)}`;
  const tokens = `${about("promptTokens", whole)} tokens of prompts and ${about("completionTokens", whole)} generated`;
  const endings = ending.map((count, round) => `${Math.round(count)} in round ${round}`).join(", ");
  return [
    `${questions} questions, from ${debates} debates${where}: about ${about("calls", whole)} calls, ${tokens}, ${about("usd", usd)}`,
    interval === null
      ? "no interval: it needs at least two debates of each data set"
      : "in brackets: 95 %, by drawing debates again and again; few debates say little of it",
    `about so many end: ${endings}`,
    ...sources.map(sourceText),
  ];
}

function sourceText({ dataset, questions, over, debates, of }: EstimateSource): string {
  const counted = over > 0 ? `, ${over} of them counted as they were` : "";
  const from = {
    dataset: `from ${debates} of its debates`,
    task: `from ${debates} debates of other data sets with the same task`,
    nothing: "left out: no debate of it or of its task",
  };
  return `${dataset}: ${questions} questions, ${from[of]}${counted}`;
}

function aloneLines(names: readonly string[]): string[] {
  if (names.length === 0) return [];
  return [
    `and for each of ${names.join(", ")}, alone, about as many tokens again, which are not in these numbers`,
  ];
}
