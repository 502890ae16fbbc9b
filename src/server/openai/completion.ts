// Runs one OpenAI completion, chat or text: submits its prompts, builds chunks and the whole body, sums usage.

import { createHash } from "node:crypto";
import type { FastifyReply } from "fastify";
import { withPromptParam } from "../../asking/prompt-tokens.ts";
import { type WatchedGeneration, watchGeneration } from "../../asking/watched-generation.ts";
import type { CancelReason } from "../../base/finish-reason.ts";
import type { GenerationListener, GenerationResult, SamplingParams } from "../../engine/request.ts";
import { checkPromptLength } from "../../engine/request.ts";
import type { Caller } from "../access/caller.ts";
import { type InferenceRun, newId, type ServingContext } from "../app-context.ts";
import { generationLimits, generationMeter } from "../generation-meter.ts";
import { answerStreamed, answerWhole } from "../inference-route.ts";
import type { RequestTrace } from "../observation/request-trace.ts";
import type { ServedStudent } from "../served-student.ts";
import { wireFinishReason } from "../wire-finish-reason.ts";
import type { ChatCompletion } from "./chat-schema.ts";
import type { TextCompletion } from "./completions-schema.ts";
import type { CompletionHead, CompletionShape } from "./response-format.ts";

type CompletionBody = ChatCompletion | TextCompletion;

export interface CompletionInput<Body extends CompletionBody> {
  readonly caller: Caller;
  readonly shape: CompletionShape<Body>;
  readonly prompts: readonly Int32Array[];
  /** The request's field with the prompts. */
  readonly promptParam: string;
  /** Choices for each prompt: choice s of prompt p has index p * n + s. */
  readonly n: number;
  readonly sampling: SamplingParams;
  /** Send a final chunk with the usage. */
  readonly includeUsage: boolean;
  readonly trace: RequestTrace;
  /** Further fields of the body, such as the service tier. */
  readonly head?: Partial<CompletionHead>;
}

/**
 * Starts a completion. `onChunk` gets its chunks in order; `done` resolves to the whole body, with or without it.
 *
 * @throws MagdiError MAGDI_QUEUE_FULL, MAGDI_CONTEXT_LENGTH, MAGDI_SHUTTING_DOWN, MAGDI_ENGINE_FAILED
 */
export function startCompletion<Body extends CompletionBody>(
  context: ServingContext,
  student: ServedStudent,
  input: CompletionInput<Body>,
  onChunk: ((chunk: object) => void) | null,
): InferenceRun<Body> {
  const { shape, n } = input;
  const id = newId(shape.idPrefix);
  const head: CompletionHead = {
    id,
    created: Math.floor(Date.now() / 1000),
    model: student.id,
    system_fingerprint: systemFingerprint(student),
    seed: input.sampling.seed,
    ...input.head,
  };
  let rejected = false;
  const chunk = (choice: object | null) => {
    if (onChunk === null || choice === null || rejected) return;
    const usage = input.includeUsage ? { usage: null } : {};
    onChunk({ ...head, object: shape.chunkObject, choices: [choice], ...usage });
  };
  input.trace.started({
    operation: shape.operation,
    model: student.id,
    caller: input.caller.name,
    samples: n,
    sampling: input.sampling,
    streamed: onChunk !== null,
    task: null,
  });
  const promptParams = input.prompts.map((_, index) =>
    input.prompts.length > 1 ? `${input.promptParam}[${index}]` : input.promptParam,
  );
  // Check all prompts of a batch before any is submitted.
  for (const [index, { length }] of input.prompts.entries()) {
    withPromptParam(promptParams[index]!, () => checkPromptLength(length, student.engine.contextLength));
  }
  const limits = generationLimits(context, input.caller);
  const runs: WatchedGeneration[] = [];
  const cancel = (reason: CancelReason) => {
    for (const run of runs) run.cancel(reason);
  };

  try {
    for (const [prompt, promptTokens] of input.prompts.entries()) {
      const { caller, sampling } = input;
      const listener: GenerationListener = {
        onToken({ sample, text, detail }) {
          if (onChunk === null) return;
          chunk(shape.delta(prompt * n + sample, text, detail));
        },
        onSampleEnd({ index, tail, finishReason }) {
          if (onChunk === null) return;
          if (tail !== "") chunk(shape.delta(prompt * n + index, tail, null));
          chunk(shape.closing(prompt * n + index, finishReason));
        },
      };
      const { continuesText } = shape;
      const request = { ...limits, id: `${id}-${prompt}`, promptTokens, samples: n, sampling, continuesText };
      runs.push(
        watchGeneration(
          (watched) => withPromptParam(promptParams[prompt]!, () => student.engine.submit(request, watched)),
          listener,
          generationMeter(context, caller),
        ),
      );
    }
  } catch (error) {
    // Cancelling the prompts submitted so far must send no chunk: a stream would begin, instead of an error by status.
    rejected = true;
    cancel("cancelled");
    void countLost(context, runs);
    throw error;
  }
  context.metrics.traffic.countRequest(input.caller.name);
  for (let index = 0; index < input.prompts.length * n; index++) chunk(shape.opening(index));

  const done = Promise.all(runs.map((run) => run.done)).then(
    (results) => {
      const samples = results.flatMap((result) => result.samples);
      context.metrics.countCompletion(samples);
      const usage = usageOf(results);
      input.trace.ended({
        id,
        model: student.id,
        finishReasons: samples.map((sample) => wireFinishReason(sample.finishReason)),
        promptTokens: usage.prompt_tokens,
        promptTokensReused: usage.prompt_tokens_details.cached_tokens,
        generatedTokens: usage.completion_tokens,
        timings: results.map((result) => result.timing),
        vote: null,
      });
      if (input.includeUsage) onChunk?.({ ...head, object: shape.chunkObject, choices: [], usage });
      return shape.whole(head, samples, usage);
    },
    (error) => {
      cancel("cancelled");
      void countLost(context, runs);
      throw error;
    },
  );
  return { id, done, cancel };
}

/** Usage over all prompts and choices; each prompt counts once, whatever n is. */
function usageOf(results: readonly GenerationResult[]): ChatCompletion["usage"] {
  let prompt = 0;
  let reused = 0;
  let completion = 0;
  for (const result of results) {
    if (result.timing.prefillStartMs !== null) prompt += result.promptTokens;
    reused += result.promptTokensReused;
    for (const sample of result.samples) completion += sample.tokenIds.length;
  }
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    prompt_tokens_details: { cached_tokens: reused },
  };
}

/** Counts the samples of prompts whose batch failed because of another prompt. */
async function countLost(context: ServingContext, runs: readonly WatchedGeneration[]): Promise<void> {
  for (const end of await Promise.allSettled(runs.map((run) => run.done))) {
    if (end.status === "fulfilled") context.metrics.countCompletionSamples(end.value.samples);
  }
}

const fingerprints = new WeakMap<ServedStudent, string>();

/** A hash of the student's name and manifest; the manifest has the dtype and the hashes of the weights. */
export function systemFingerprint(student: ServedStudent): string {
  let fingerprint = fingerprints.get(student);
  if (fingerprint === undefined) {
    const hash = createHash("sha256").update(JSON.stringify([student.id, student.manifest]));
    fingerprint = `fp_${hash.digest("hex").slice(0, 12)}`;
    fingerprints.set(student, fingerprint);
  }
  return fingerprint;
}

export function answerCompletion<Body extends ChatCompletion | TextCompletion>(
  reply: FastifyReply,
  context: ServingContext,
  student: ServedStudent,
  streamed: boolean,
  input: CompletionInput<Body>,
): Promise<Body | FastifyReply> {
  const { sampling, prompts, n } = input;
  if (sampling.topLogprobs !== null) {
    const { contextLength } = student.engine;
    let tokens = 0;
    for (const { length } of prompts) {
      tokens += n * Math.max(0, Math.min(sampling.maxTokens, contextLength - length));
    }
    const giveBack = context.answers.take({ tokens, topLogprobs: sampling.topLogprobs });
    if (reply.raw.destroyed) giveBack();
    else reply.raw.once("close", giveBack);
  }
  if (!streamed) return answerWhole(reply, startCompletion(context, student, input, null));
  return answerStreamed(reply, {
    context,
    start: (stream) => startCompletion(context, student, input, (chunk) => stream.send(chunk)),
    sendError: (stream, body) => stream.send(body),
  });
}
