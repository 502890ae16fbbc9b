// Self-consistency: further samples of one agent alone, with the prompt of round 0, until they have cost as many tokens as
// the debate of that question. Its own answer in round 0 is its first sample.

import { createHash } from "node:crypto";
import { labelOf } from "../mag/labels.ts";
import type { Agent } from "./agent.ts";
import type { CallKey } from "./call-journal.ts";
import type { Caller } from "./caller.ts";
import { type Debate, type DebateParts, holdDebate, type MissingNode, type SpokenNode } from "./debate.ts";
import type { AloneSample, SampledQuestion } from "./sampled-question.ts";

/** For agents that answer in so few tokens that they would never cost as much. */
export const MOST_SAMPLES = 64;
/** Of one question, each after all its retries. */
const MOST_FAILURES_IN_A_ROW = 3;

/**
 * As many samples as cost what the debate cost, in generated tokens and in all tokens; where somebody does not say his
 * tokens, as many as the debate had answers. @throws what `caller.call` throws
 */
export async function sampleAlone(
  debate: Debate,
  agent: Agent,
  parts: DebateParts,
  mostSamples = MOST_SAMPLES,
): Promise<SampledQuestion> {
  const { question, nodes } = debate;
  const goal = costOf(nodes.map(({ call }) => call));
  const own = [...nodes, ...debate.missing].find((node) => node.agent === agent.name && node.round === 0);
  const samples: AloneSample[] = [];
  const isEnough = (): boolean => {
    if (
      samples.slice(-MOST_FAILURES_IN_A_ROW).filter(({ error }) => error !== null).length ===
      MOST_FAILURES_IN_A_ROW
    )
      return true;
    const cost = costOf(samples.filter(({ error }) => error === null));
    return goal === null || cost === null
      ? samples.length >= nodes.length
      : cost.generated >= goal.generated && cost.all >= goal.all;
  };
  while (samples.length < mostSamples && !(samples.length > 0 && isEnough())) {
    const sample = samples.length;
    const node = sample === 0 ? own : await furtherSample(debate, agent, sample, parts);
    if (node === undefined) break; // an agent that takes no part
    samples.push(sampleOf(node, sample, debate));
  }
  return { benchmark: question.dataset, question_id: question.id, agent: agent.name, samples };
}

/**
 * Round 0 once more, in which the others' answers come from the journal: so the prompt is the debate's own, whatever it is
 * made of.
 */
async function furtherSample(
  { question }: Debate,
  agent: Agent,
  sample: number,
  parts: DebateParts,
): Promise<SpokenNode | MissingNode | undefined> {
  const { settings } = parts;
  const caller: Pick<Caller, "call"> = {
    call: (one, key, messages, seed) =>
      one.name === agent.name
        ? parts.caller.call(one, { ...key, sample }, messages, sampleSeed(settings.seed, key, sample))
        : parts.caller.call(one, key, messages, seed),
  };
  const { nodes, missing } = await holdDebate(question, {
    ...parts,
    caller,
    settings: { ...settings, rounds: 0 },
  });
  return [...nodes, ...missing].find((node) => node.agent === agent.name);
}

function sampleOf(node: SpokenNode | MissingNode, sample: number, { question }: Debate): AloneSample {
  if ("error" in node) {
    const nothing = { answer: null, key: null, correct: false, confidence: null };
    const unknown = { prompt_tokens: null, completion_tokens: null, usd: null };
    return { sample, ...nothing, error: node.error, ...unknown };
  }
  const { answer, key, confidence, call } = node;
  return {
    ...{ sample, answer, key, confidence, error: null },
    correct: labelOf(answer, question) === 1,
    ...{ prompt_tokens: call.prompt_tokens, completion_tokens: call.completion_tokens, usd: call.usd },
  };
}

interface Counted {
  readonly prompt_tokens: number | null;
  readonly completion_tokens: number | null;
}

function costOf(calls: readonly Counted[]): { readonly generated: number; readonly all: number } | null {
  let generated = 0;
  let prompts = 0;
  for (const { prompt_tokens: prompt, completion_tokens: completion } of calls) {
    if (prompt === null || completion === null) return null;
    generated += completion;
    prompts += prompt;
  }
  return { generated, all: generated + prompts };
}

/** 31 bits, which every server accepts; another one than in any debate. */
function sampleSeed(seed: number, { dataset, id, agent }: CallKey, sample: number): number {
  const hash = createHash("sha256")
    .update(JSON.stringify([seed, dataset, id, "alone", agent, sample]))
    .digest();
  return hash.readUInt32BE(0) >>> 1;
}
