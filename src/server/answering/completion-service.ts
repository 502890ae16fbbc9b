// The life of one OpenAI completion: prompts, choices, usage, whole or in chunks. What the choices look like is the
// shape's business, and how the chunks travel the caller's.
import type { CancelReason, GenerationResult, SampleResult, SamplingParams } from "../../engine/request.ts";
import type { Caller } from "../access/caller.ts";
import type { SampleOutcome } from "../observation/metrics.ts";
import type { ServedStudent } from "../served-student.ts";
import type { CompletionShape } from "./completion-shape.ts";
import { type ApiFinishReason, apiFinishReason, requestEnd } from "./finish.ts";
import { newId, type Run, type ServingContext, startGeneration } from "./generation-run.ts";

export interface CompletionOrder {
  readonly caller: Caller;
  readonly shape: CompletionShape;
  readonly prompts: readonly Int32Array[];
  /** The field that holds them. */
  readonly promptParam: string;
  /** Choices of each prompt: prompt p's choice s has index p * n + s. */
  readonly n: number;
  readonly sampling: SamplingParams;
  /** Send a last chunk with the usage. */
  readonly includeUsage: boolean;
}

/**
 * Starts a completion. With `onChunk`, chunks come in order while it runs; the promise gives the whole body in any
 * case.
 *
 * @throws MagdiError MAGDI_QUEUE_FULL, MAGDI_CONTEXT_LENGTH, MAGDI_SHUTTING_DOWN, MAGDI_ENGINE_FAILED
 */
export function startCompletion(
  context: ServingContext,
  student: ServedStudent,
  order: CompletionOrder,
  onChunk: ((chunk: object) => void) | null,
): Run<object> {
  const { shape, n } = order;
  const id = newId(shape.idPrefix);
  const head = { id, created: Math.floor(Date.now() / 1000), model: student.id };
  const chunk = (choice: object | null) => {
    if (onChunk === null || choice === null) return;
    const usage = order.includeUsage ? { usage: null } : {};
    onChunk({ ...head, object: shape.chunkObject, choices: [choice], ...usage });
  };
  const runs: Run<GenerationResult>[] = [];
  const cancel = (reason: CancelReason) => {
    for (const run of runs) run.cancel(reason);
  };

  try {
    for (const [prompt, promptTokens] of order.prompts.entries()) {
      const { caller, promptParam, sampling } = order;
      runs.push(
        startGeneration(
          context,
          student,
          { id: `${id}-${prompt}`, caller, promptTokens, samples: n, sampling, promptParam },
          {
            onToken({ sample, text, detail }) {
              if (onChunk === null || (text === "" && detail === null)) return;
              chunk(shape.delta(prompt * n + sample, text, detail));
            },
            onSampleEnd({ index, tail, finishReason }) {
              if (onChunk === null) return;
              if (tail !== "") chunk(shape.delta(prompt * n + index, tail, null));
              chunk(shape.closing(prompt * n + index, choiceFinish(finishReason)));
            },
          },
        ),
      );
    }
  } catch (error) {
    cancel("cancelled");
    // Their own ends are of no interest any more.
    for (const run of runs) run.done.catch(() => {});
    throw error;
  }
  for (let index = 0; index < order.prompts.length * n; index++) chunk(shape.opening(index));

  const done = Promise.all(runs.map((run) => run.done)).then(
    (results) => {
      const samples = results.flatMap((result) => result.samples);
      count(context, samples);
      const usage = usageOf(results);
      if (order.includeUsage) onChunk?.({ ...head, object: shape.chunkObject, choices: [], usage });
      return {
        ...head,
        object: shape.object,
        choices: samples.map((sample, index) =>
          shape.choice(index, sample, choiceFinish(sample.finishReason)),
        ),
        usage,
        seed: order.sampling.seed,
      };
    },
    (error) => {
      cancel("cancelled");
      throw error;
    },
  );
  return { id, done, cancel };
}

function choiceFinish(reason: SampleResult["finishReason"]): ApiFinishReason {
  const api = apiFinishReason(reason);
  return api === "cancelled" ? "abort" : api;
}

/** Over all prompts and choices; each prompt counts once. */
function usageOf(results: readonly GenerationResult[]): object {
  let prompt = 0;
  let computed = 0;
  let completion = 0;
  for (const result of results) {
    if (result.timing.prefillStartMs !== null) prompt += result.promptTokens;
    computed += result.promptTokensComputed;
    for (const sample of result.samples) completion += sample.tokenIds.length;
  }
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    prompt_tokens_details: { cached_tokens: prompt - computed },
  };
}

function count({ metrics }: ServingContext, samples: readonly SampleResult[]): void {
  for (const sample of samples) metrics.countSample(outcomeOf(sample));
  const end = requestEnd(samples);
  if (end === "disconnect" || end === "cancelled") metrics.countFailure(end);
  else metrics.countSuccess(end);
}

function outcomeOf(sample: SampleResult): SampleOutcome {
  if (sample.finishReason === "stop") return "answered";
  return sample.finishReason === "length" ? "length" : "aborted";
}
