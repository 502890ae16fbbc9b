// The life of one OpenAI completion: prompts, choices, usage, whole or in chunks. What the choices look like is the
// shape's business, and how the chunks travel the caller's.

import { createHash } from "node:crypto";
import type { FastifyReply } from "fastify";
import { withPromptParam } from "../../asking/prompt-tokens.ts";
import type { CancelReason } from "../../base/finish-reason.ts";
import {
  checkPromptLength,
  type GenerationListener,
  type GenerationResult,
  type SamplingParams,
} from "../../engine/request.ts";
import type { Caller } from "../access/caller.ts";
import type { ServerConfig } from "../config.ts";
import { answerStreamed, answerWhole } from "../inference-route.ts";
import { startGeneration } from "../metered-generation.ts";
import type { RequestTrace } from "../observation/request-trace.ts";
import type { ServedStudent } from "../served-student.ts";
import { newId, type Run, type ServingContext } from "../serving-context.ts";
import { wireFinishReason } from "../wire-finish-reason.ts";
import type { ChatCompletion } from "./chat-schema.ts";
import type { CompletionHead, CompletionShape } from "./completion-shape.ts";
import type { TextCompletion } from "./text-schema.ts";

type CompletionBody = ChatCompletion | TextCompletion;

export interface CompletionOrder<Body extends CompletionBody> {
  readonly caller: Caller;
  readonly shape: CompletionShape<Body>;
  readonly prompts: readonly Int32Array[];
  /** The field that holds them. */
  readonly promptParam: string;
  /** Choices of each prompt: prompt p's choice s has index p * n + s. */
  readonly n: number;
  readonly sampling: SamplingParams;
  /** Send a last chunk with the usage. */
  readonly includeUsage: boolean;
  readonly trace: RequestTrace;
  /** What the answer's head says besides, such as the service tier. */
  readonly head?: Partial<CompletionHead>;
}

/**
 * Starts a completion. With `onChunk`, chunks come in order while it runs; the promise gives the whole body in any
 * case.
 *
 * @throws MagdiError MAGDI_QUEUE_FULL, MAGDI_CONTEXT_LENGTH, MAGDI_SHUTTING_DOWN, MAGDI_ENGINE_FAILED
 */
export function startCompletion<Body extends CompletionBody>(
  context: ServingContext,
  student: ServedStudent,
  order: CompletionOrder<Body>,
  onChunk: ((chunk: object) => void) | null,
): Run<Body> {
  const { shape, n } = order;
  const id = newId(shape.idPrefix);
  const head: CompletionHead = {
    id,
    created: Math.floor(Date.now() / 1000),
    model: student.id,
    system_fingerprint: systemFingerprint(student),
    seed: order.sampling.seed,
    ...order.head,
  };
  let refused = false;
  const chunk = (choice: object | null) => {
    if (onChunk === null || choice === null || refused) return;
    const usage = order.includeUsage ? { usage: null } : {};
    onChunk({ ...head, object: shape.chunkObject, choices: [choice], ...usage });
  };
  order.trace.ordered({
    operation: shape.operation,
    model: student.id,
    caller: order.caller.name,
    samples: n,
    sampling: order.sampling,
    streamed: onChunk !== null,
    task: null,
  });
  const promptParams = order.prompts.map((_, index) =>
    order.prompts.length > 1 ? `${order.promptParam}[${index}]` : order.promptParam,
  );
  // Before any of a batch is submitted.
  for (const [index, { length }] of order.prompts.entries()) {
    withPromptParam(promptParams[index]!, () => checkPromptLength(length, student.engine.contextLength));
  }
  const runs: Run<GenerationResult>[] = [];
  const cancel = (reason: CancelReason) => {
    for (const run of runs) run.cancel(reason);
  };

  try {
    for (const [prompt, promptTokens] of order.prompts.entries()) {
      const { caller, sampling } = order;
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
      runs.push(
        withPromptParam(promptParams[prompt]!, () =>
          startGeneration(
            context,
            student,
            caller,
            { id: `${id}-${prompt}`, promptTokens, samples: n, sampling, continuesText },
            listener,
          ),
        ),
      );
    }
  } catch (error) {
    // The ends of those before it are no chunks: with the first one the answer would be a stream, and not the refusal.
    refused = true;
    cancel("cancelled");
    void countLost(context, runs);
    throw error;
  }
  context.metrics.traffic.countRequest(order.caller.name);
  for (let index = 0; index < order.prompts.length * n; index++) chunk(shape.opening(index));

  const done = Promise.all(runs.map((run) => run.done)).then(
    (results) => {
      const samples = results.flatMap((result) => result.samples);
      context.metrics.countCompletion(samples);
      const usage = usageOf(results);
      order.trace.ended({
        id,
        model: student.id,
        finishReasons: samples.map((sample) => wireFinishReason(sample.finishReason)),
        promptTokens: usage.prompt_tokens,
        promptTokensReused: usage.prompt_tokens_details.cached_tokens,
        generatedTokens: usage.completion_tokens,
        timings: results.map((result) => result.timing),
        vote: null,
      });
      if (order.includeUsage) onChunk?.({ ...head, object: shape.chunkObject, choices: [], usage });
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

/** Over all prompts and choices; each prompt counts once. */
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

/** The samples of prompts whose completion failed for another prompt; what failed by itself has none. */
async function countLost(context: ServingContext, runs: readonly Run<GenerationResult>[]): Promise<void> {
  for (const end of await Promise.allSettled(runs.map((run) => run.done))) {
    if (end.status === "fulfilled") context.metrics.countCompletionSamples(end.value.samples);
  }
}

const known = new WeakMap<ServedStudent, string>();

/** A hash of the student's name and manifest, which holds its dtype and the hashes of its weights. */
export function systemFingerprint(student: ServedStudent): string {
  let fingerprint = known.get(student);
  if (fingerprint === undefined) {
    const hash = createHash("sha256").update(JSON.stringify([student.id, student.manifest]));
    fingerprint = `fp_${hash.digest("hex").slice(0, 12)}`;
    known.set(student, fingerprint);
  }
  return fingerprint;
}

export function answerCompletion<Body extends ChatCompletion | TextCompletion>(
  reply: FastifyReply,
  context: ServingContext,
  config: ServerConfig,
  student: ServedStudent,
  streamed: boolean,
  order: CompletionOrder<Body>,
): Promise<Body | FastifyReply> {
  if (!streamed) return answerWhole(reply, startCompletion(context, student, order, null));
  return answerStreamed(reply, {
    context,
    maxBufferedBytes: config.streamBufferBytes,
    start: (stream) => startCompletion(context, student, order, (chunk) => stream.send(chunk)),
    sendError: (stream, body) => stream.send(body),
  });
}
