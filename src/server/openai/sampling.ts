// From an OpenAI request's sampling fields to the engine's parameters, with OpenAI's defaults.

import { badField, randomSeed } from "../../asking/sampling.ts";
import type { SamplingParams } from "../../engine/request.ts";
import { engineSeed } from "../transport/request-fields.ts";

/** The fields that both kinds of completion share; null and undefined both mean absent. */
export interface OpenAiSamplingFields {
  readonly n?: number | null | undefined;
  readonly stream?: boolean | null | undefined;
  readonly stream_options?: { readonly include_usage?: boolean | null | undefined } | null | undefined;
  readonly temperature?: number | null | undefined;
  readonly top_p?: number | null | undefined;
  readonly top_k?: number | null | undefined;
  readonly min_p?: number | null | undefined;
  readonly min_tokens?: number | null | undefined;
  readonly ignore_eos?: boolean | null | undefined;
  readonly stop?: string | readonly string[] | null | undefined;
  readonly seed?: number | null | undefined;
  readonly logit_bias?: Readonly<Record<string, number>> | null | undefined;
}

/** @throws MagdiError MAGDI_BAD_REQUEST for contradictory fields, or a token id outside the vocabulary */
export function openAiSampling(
  fields: OpenAiSamplingFields,
  limits: { readonly maxTokens: number; readonly topLogprobs: number | null; readonly vocabSize: number },
): SamplingParams {
  const temperature = fields.temperature ?? 1;
  const samples = fields.n ?? 1;
  if (samples > 1 && temperature === 0) {
    throw badField("n", `expected 1 with temperature 0, found ${samples}: all choices would be the same`);
  }
  const minTokens = fields.min_tokens ?? 0;
  if (minTokens > limits.maxTokens) {
    throw badField("min_tokens", `expected at most max_tokens (${limits.maxTokens}), found ${minTokens}`);
  }
  if (fields.stream_options && !fields.stream) {
    throw badField("stream_options", "requires stream: true");
  }
  const { stop } = fields;
  return {
    temperature,
    topK: fields.top_k ?? 0,
    topP: fields.top_p ?? 1,
    minP: fields.min_p ?? 0,
    maxTokens: limits.maxTokens,
    minTokens,
    ignoreEos: fields.ignore_eos ?? false,
    stop: stop === undefined || stop === null ? [] : typeof stop === "string" ? [stop] : stop,
    seed: engineSeed(fields.seed ?? randomSeed()),
    topLogprobs: limits.topLogprobs,
    logitBias: logitBias(fields.logit_bias ?? {}, limits.vocabSize),
  };
}

function logitBias(biases: Readonly<Record<string, number>>, vocabSize: number): Map<number, number> {
  const byToken = new Map<number, number>();
  for (const [key, bias] of Object.entries(biases)) {
    const id = /^(?:0|[1-9][0-9]{0,9})$/.test(key) ? Number(key) : -1;
    if (id < 0 || id >= vocabSize) {
      throw badField(
        "logit_bias",
        `expected token ids from 0 to ${vocabSize - 1}, found ${JSON.stringify(key.slice(0, 40))}`,
      );
    }
    byToken.set(id, bias);
  }
  return byToken;
}
