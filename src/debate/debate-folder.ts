// What a folder of debates holds, as counts: its debates, what its agents' calls came to, and the samples of
// self-consistency. It needs no file of agents.

import { existsSync } from "node:fs";
import { MagdiError } from "../base/errors.ts";
import { isObject } from "../base/files/json-file.ts";
import { type CallLine, readCalls } from "./call-journal.ts";
import { type AgentSums, DebateLedger } from "./debate-ledger.ts";
import { type DebateOutline, readOutlines } from "./debate-outline.ts";
import { readSampledQuestions, type SampledQuestion } from "./sampled-question.ts";
import { debateFiles } from "./write-debates.ts";

export interface AgentCosts extends AgentSums {
  readonly agent: string;
  /** The model that was asked for; null for a student in the process. */
  readonly model: string | null;
  /** Samples of self-consistency among the calls. */
  readonly sampleCalls: number;
  /** At the prices of the time of each call; null where a call has tokens and no price. */
  readonly usd: number | null;
}

export interface DebateFolder {
  readonly debates: readonly DebateOutline[];
  /** Empty without self-consistency. */
  readonly sampled: readonly SampledQuestion[];
  /** Questions with a call, those whose debate has not ended too. */
  readonly begun: number;
  /** All that are journalled, in the order of the debates' agents. */
  readonly costs: readonly AgentCosts[];
}

/** Several folders are counted as one. @throws MAGDI_FILE_MISSING, MAGDI_BAD_FILE, MAGDI_BAD_CONFIG */
export async function readDebateFolders(folders: readonly string[]): Promise<DebateFolder> {
  const debates: DebateOutline[] = [];
  const sampled: SampledQuestion[] = [];
  const costs = new CallCosts();
  const places = new Map<string, string>();
  for (const folder of folders) {
    const files = debateFiles(folder);
    if (!existsSync(files.transcripts)) {
      throw new MagdiError(
        "MAGDI_FILE_MISSING",
        `${folder}: expected transcripts.jsonl of magdi debate, found none; run magdi debate there to its end, or end it with Ctrl-C`,
      );
    }
    for await (const debate of readOutlines(files.transcripts)) {
      assertOnce(places, debate, folder);
      debates.push(debate);
    }
    if (existsSync(files.selfConsistency)) {
      for await (const one of readSampledQuestions(files.selfConsistency)) sampled.push(one);
    }
    if (existsSync(files.journal)) for (const line of readCalls(files.journal)) costs.add(line);
  }
  const agents = [...new Set(debates.flatMap(({ nodes }) => nodes.map(({ agent }) => agent)))];
  return { debates, sampled, begun: Math.max(costs.begun, debates.length), costs: costs.inOrderOf(agents) };
}

function assertOnce(places: Map<string, string>, { dataset, id }: DebateOutline, folder: string): void {
  const key = JSON.stringify([dataset, id]);
  const before = places.get(key);
  if (before !== undefined) {
    throw new MagdiError(
      "MAGDI_BAD_CONFIG",
      `${folder}: the debate of question ${id} (${dataset}) is in ${before} too; give the folders different names: NAME=FOLDER`,
    );
  }
  places.set(key, folder);
}

const UNPRICED = { prices: { inputUsdPerMillion: null, outputUsdPerMillion: null }, maxTokens: 0 };

/** Sums over the lines of journals. */
class CallCosts {
  readonly #agents = new Map<
    string,
    { readonly ledger: DebateLedger; model: string | null; sampleCalls: number; usd: number | null }
  >();
  readonly #questions = new Set<string>();

  get begun(): number {
    return this.#questions.size;
  }

  add(line: CallLine): void {
    const { agent: name, request } = line;
    const known = this.#agents.get(name);
    const ledger = known?.ledger ?? new DebateLedger([{ name, ...UNPRICED }]);
    const one = known ?? { ledger, model: null, sampleCalls: 0, usd: 0 };
    this.#agents.set(name, one);
    this.#questions.add(JSON.stringify([line.dataset, line.id]));
    ledger.add(line);
    if (isObject(request) && typeof request.model === "string") one.model = request.model;
    one.sampleCalls += Number(line.sample !== undefined);
    const hasTokens = line.prompt_tokens !== null && line.completion_tokens !== null;
    if (hasTokens) one.usd = one.usd === null || line.usd === null ? null : one.usd + line.usd;
  }

  inOrderOf(names: readonly string[]): AgentCosts[] {
    const all = [...new Set([...names, ...this.#agents.keys()])];
    return all.flatMap((agent) => {
      const one = this.#agents.get(agent);
      if (one === undefined) return [];
      const { ledger, ...rest } = one;
      const sums = ledger.byAgent().get(agent)!; // it was made for this agent
      return [{ ...sums, ...rest, agent }];
    });
  }
}
