// The record of a debate, in the format that `magdi train import-mags` reads as `agents`, with the calls' costs beside.

import { labelOf } from "../mag/labels.ts";
import type { Use } from "../mag/mag-schema.ts";
import type { ConvincingSamples } from "./convincing-samples.ts";
import type { Debate } from "./debate.ts";

export interface TranscriptContext {
  readonly use: Use;
  readonly promptsSha256: string;
  /** Absent or null where agents were shown none. */
  readonly convincing?: Pick<ConvincingSamples, "sha256" | "perAgent"> | null;
}

/** A transcript as JSON. */
export function transcriptOf(
  { question, nodes, missing, rounds, consensus, team }: Debate,
  { use, promptsSha256, convincing }: TranscriptContext,
) {
  const { dataset, id, task, choices, passage, gold } = question;
  return {
    question_id: id,
    benchmark: dataset,
    task,
    use,
    question: question.question,
    choices,
    passage,
    gold,
    agents: nodes.map((node) => ({
      agent: node.agent,
      round: node.round,
      reasoning: node.reasoning,
      answer: node.answer,
      correct: labelOf(node.answer, question) === 1,
      confidence: node.confidence,
      refused: node.refused,
      text: node.text,
      model: node.model,
      finish_reason: node.finishReason,
      seed: node.call.seed,
      started: node.call.started,
      ms: node.call.ms,
      prompt_tokens: node.call.prompt_tokens,
      completion_tokens: node.call.completion_tokens,
      usd: node.call.usd,
    })),
    missing: missing.map(({ agent, round, error }) => ({ agent, round, error })),
    rounds,
    consensus,
    team: {
      rescaled: team.rescaled,
      majority: team.majority,
      mean_confidence: team.meanConfidence,
    },
    prompts_sha256: promptsSha256,
    convincing_sha256: convincing?.sha256 ?? null,
    convincing_samples: convincing?.perAgent ?? null,
  };
}

/**
 * A debate in the format of MAGDi's released code: `AGENT_output_ROUND`, null for a missing node. That code passes over
 * `benchmark`, `task`, `use` and `passage`. A node that says nothing at all counts there as missing.
 */
export function authorsRecordOf({ question, nodes, missing }: Debate, use: Use) {
  const { dataset, id, task, gold, choices, passage } = question;
  return {
    id,
    benchmark: dataset,
    ...{ task, use },
    question: question.question,
    gold_answer: gold,
    ...(choices === null ? {} : { options: choices }),
    ...(passage === null ? {} : { passage }),
    ...Object.fromEntries([
      ...nodes.map(({ agent, round, reasoning, answer, confidence }) => [
        `${agent}_output_${round}`,
        { reasoning, answer, confidence_level: confidence },
      ]),
      ...missing.map(({ agent, round }) => [`${agent}_output_${round}`, null]),
    ]),
  };
}
