// What a debate's folder has: the calls of its journal, and of its transcripts who was right.

import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { z } from "zod";
import { TASKS } from "../../src/answers/task.ts";
import { labelOf } from "../../src/mag/labels.ts";
import type { Counts } from "./served-agents.ts";

const callSchema = z.object({
  dataset: z.string(),
  id: z.string(),
  round: z.int(),
  agent: z.string(),
  error: z.string().nullable(),
  prompt_tokens: z.int().nullable(),
  completion_tokens: z.int().nullable(),
});
export type Call = z.output<typeof callSchema>;

const transcriptSchema = z.object({
  task: z.enum(TASKS),
  gold: z.string(),
  choices: z.array(z.object({ label: z.string(), text: z.string() })).nullable(),
  agents: z.array(z.object({ agent: z.string(), round: z.int(), correct: z.boolean() })),
  consensus: z.boolean(),
  team: z.record(z.string(), z.string().nullable()),
});
export type Transcript = z.output<typeof transcriptSchema>;

/** Every attempt in the journal, in order; a last line that is not whole is left out. */
export function callsIn(folder: string): Call[] {
  return wholeLines(path.join(folder, "journal.jsonl")).flatMap((line) => {
    const parsed = callSchema.safeParse(JSON.parse(line));
    return parsed.success ? [parsed.data] : []; // the first line is another
  });
}

export function transcriptsIn(folder: string): Transcript[] {
  return wholeLines(path.join(folder, "transcripts.jsonl")).map((line) =>
    transcriptSchema.parse(JSON.parse(line)),
  );
}

function wholeLines(file: string): string[] {
  return existsSync(file) ? readFileSync(file, "utf8").split("\n").slice(0, -1) : [];
}

/** The calls that were answered, by agent. */
export function countsOf(calls: readonly Call[], agents: readonly string[]): Map<string, Counts> {
  return new Map(
    agents.map((name) => {
      const own = calls.filter(({ agent, error }) => agent === name && error === null);
      const sum = (tokensOf: (call: Call) => number | null) =>
        own.reduce((total, call) => total + (tokensOf(call) ?? 0), 0);
      return [
        name,
        {
          calls: own.length,
          promptTokens: sum((call) => call.prompt_tokens),
          completionTokens: sum((call) => call.completion_tokens),
        },
      ];
    }),
  );
}

/** Calls that were answered more than once. */
export function repeatedIn(calls: readonly Call[]): number {
  const answered = calls.filter(({ error }) => error === null);
  const keys = answered.map(({ dataset, id, round, agent }) => JSON.stringify([dataset, id, round, agent]));
  return keys.length - new Set(keys).size;
}

/** The share of right answers of each agent in round 0 and in the last, and of each vote. */
export function accuraciesIn(
  transcripts: readonly Transcript[],
  agents: readonly string[],
): [string, string][] {
  const share = (of: string, right: readonly boolean[]): [string, string] => {
    const count = right.filter(Boolean).length;
    return [
      of,
      right.length === 0
        ? "none"
        : `${count} of ${right.length} (${((100 * count) / right.length).toFixed(1)} %)`,
    ];
  };
  const ofAgents = agents.flatMap((agent) => {
    const nodes = transcripts.map((transcript) => transcript.agents.filter((node) => node.agent === agent));
    const correct = (at: 0 | -1) => nodes.flatMap((own) => own.at(at)?.correct ?? []);
    return [share(`${agent}, round 0`, correct(0)), share(`${agent}, last round`, correct(-1))];
  });
  const votes = Object.keys(transcripts[0]?.team ?? {});
  const ofVotes = votes.map((vote) =>
    share(
      `vote ${vote}`,
      transcripts.map((transcript) => labelOf(transcript.team[vote] ?? null, transcript) === 1),
    ),
  );
  return [...ofAgents, ...ofVotes];
}
