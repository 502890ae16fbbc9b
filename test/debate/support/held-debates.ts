// Debates of scripted agents, with all parts real but the clock.

import { mkdtempSync } from "node:fs";
import path from "node:path";
import type { Agent, AgentLimits } from "../../../src/debate/agent.ts";
import { CallJournal, type CallLine } from "../../../src/debate/call-journal.ts";
import { Caller } from "../../../src/debate/caller.ts";
import type { Debate } from "../../../src/debate/debate.ts";
import { type Budget, DebateLedger } from "../../../src/debate/debate-ledger.ts";
import { DebatePrompts } from "../../../src/debate/debate-prompts.ts";
import { endpointAgent } from "../../../src/debate/endpoint-agent.ts";
import { type DebatesRun, endedDebates, runDebates } from "../../../src/debate/run-debates.ts";
import type { SampledQuestion } from "../../../src/debate/sampled-question.ts";
import { sampleAlone } from "../../../src/debate/self-consistency.ts";
import { debateFiles, writeDebates, writeSampledQuestions } from "../../../src/debate/write-debates.ts";
import type { Question } from "../../../src/eval/question-formats.ts";
import { type Asked, type Reaction, type ScriptedAgents, scriptedAgents } from "./scripted-agents.ts";
import { SkippingClock, TIMEOUT_MS } from "./skipping-clock.ts";

export function question(id: string, more: Partial<Question> = {}): Question {
  return {
    dataset: "sums",
    id,
    task: "math",
    question: `What is ${id}?`,
    choices: null,
    passage: null,
    gold: "4",
    ...more,
  };
}

export function scriptedAgent(name: string, baseUrl: string, limits: Partial<AgentLimits> = {}): Agent {
  return endpointAgent({
    name,
    baseUrl,
    model: name,
    apiKey: null,
    temperature: 0.7,
    topP: null,
    maxTokens: 100,
    maxTokensField: "max_tokens",
    sendsSeed: true,
    form: "json",
    structuredOutput: false,
    extra: {},
    prices: { inputUsdPerMillion: 1, outputUsdPerMillion: 10 },
    limits: { concurrency: 4, requestsPerMinute: null, timeoutMs: TIMEOUT_MS, retries: 2, ...limits },
  });
}

export interface HeldOptions {
  /** The folder of the journal. */
  readonly folder: string;
  readonly react: (asked: Asked, nth: number) => Reaction;
  readonly names?: readonly string[];
  readonly questions?: readonly Question[];
  readonly rounds?: number;
  /** Default: those that are shipped. */
  readonly prompts?: DebatePrompts;
  readonly limits?: Partial<AgentLimits>;
  readonly budget?: Partial<Budget>;
  readonly clock?: SkippingClock;
  readonly signal?: AbortSignal;
  /** Agents that are sampled alone after the debates. */
  readonly alone?: readonly string[];
  readonly mostSamples?: number;
  /** Writes transcripts, graphs and samples too. */
  readonly write?: boolean;
}

export interface Held extends DebatesRun {
  readonly debates: readonly Debate[];
  readonly sampled: readonly SampledQuestion[];
  readonly server: ScriptedAgents;
  readonly ledger: DebateLedger;
  readonly lines: readonly CallLine[];
  readonly clock: SkippingClock;
  readonly journalFile: string;
}

/** Debates to their end; the server is closed then, its counts stay. */
export async function held(options: HeldOptions): Promise<Held> {
  const { names = ["a", "b", "c"], questions = [question("2+2")], clock = new SkippingClock() } = options;
  const server = await scriptedAgents(options.react);
  const agents = names.map((name) => scriptedAgent(name, server.baseUrl, options.limits));
  const journalFile = path.join(options.folder, "journal.jsonl");
  const journal = CallJournal.open(journalFile, { fresh: false });
  const ledger = new DebateLedger(agents, journal.lines);
  const caller = new Caller({
    ...{ agents, journal, ledger, clock },
    budget: { maxTokens: null, maxUsd: null, ...options.budget },
    wallMs: () => 0,
    jitter: () => 0,
    signal: options.signal ?? new AbortController().signal,
  });
  const settings = { rounds: options.rounds ?? 3, seed: 0 };
  try {
    const parts = { agents, prompts: options.prompts ?? DebatePrompts.load(null), caller, settings };
    const run = await runDebates(questions, parts);
    const debates: Debate[] = [];
    for await (const debate of endedDebates(run.ended, parts)) debates.push(debate);
    const alone = agents.filter(({ name }) => options.alone?.includes(name));
    const sampled: SampledQuestion[] = [];
    for (const debate of debates) {
      for (const agent of alone) sampled.push(await sampleAlone(debate, agent, parts, options.mostSamples));
    }
    if (options.write) {
      const files = debateFiles(options.folder);
      await writeDebates(files, endedDebates(run.ended, parts), { use: "train", promptsSha256: "abc" });
      if (alone.length > 0) await writeSampledQuestions(files, each(sampled));
    }
    return { ...run, debates, sampled, server, ledger, lines: [...journal.lines], clock, journalFile };
  } finally {
    journal.close();
    await server.close();
  }
}

async function* each<T>(items: readonly T[]): AsyncGenerator<T> {
  yield* items;
}

/** A new folder in `scratch`. */
export function newFolder(scratch: string): string {
  return mkdtempSync(path.join(scratch, "run-"));
}
