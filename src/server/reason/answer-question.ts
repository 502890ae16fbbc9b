// One request to /v1/reason, whatever it came over: asked through asking/, counted and traced, its events as frames and
// its record as the response.
import { type AskRecord, ask } from "../../asking/ask.ts";
import { resolveQuestion } from "../../asking/question.ts";
import type { Caller } from "../access/caller.ts";
import { startGeneration } from "../metered-generation.ts";
import { type InferenceEnd, RequestTrace } from "../observation/request-trace.ts";
import { assertSampleCount, assertServes, type ServedStudent } from "../served-student.ts";
import { newId, type Run, type ServingContext } from "../serving-context.ts";
import { wireFinishReason } from "../wire-finish-reason.ts";
import type { ReasonFrame } from "./frames.ts";
import { frameOf, reasonResponseOf } from "./response.ts";
import type { ReasonRequest, ReasonResponse } from "./schema.ts";

export interface ReasonRun extends Run<ReasonResponse> {
  /** Settles the vote on the samples finished so far. */
  enough(): void;
}

/**
 * Starts on a question. Frames come in order, from "accepted" on, and the last is "result"; none comes before the
 * engine has taken the request.
 *
 * @throws MagdiError MAGDI_UNKNOWN_MODEL, MAGDI_BAD_REQUEST, MAGDI_QUEUE_FULL, MAGDI_CONTEXT_LENGTH, …
 */
export function answerQuestion(
  context: ServingContext,
  student: ServedStudent,
  caller: Caller,
  request: ReasonRequest,
  onFrame: (frame: ReasonFrame) => void = () => {},
  trace: RequestTrace = new RequestTrace(),
): ReasonRun {
  assertServes(student, request.model);
  const { top_p: topP, top_k: topK, max_tokens: maxTokens, early_stop: earlyStop, ...named } = request;
  const { adaptiveThreshold, baselines, metrics } = context;
  const question = resolveQuestion(
    { ...named, topP, topK, maxTokens, earlyStop, adaptiveThreshold },
    baselines,
  );
  const { task, samples, sampling } = question;
  trace.ordered({
    operation: "chat",
    model: student.id,
    caller: caller.name,
    samples,
    sampling,
    streamed: request.stream,
    task,
  });
  assertSampleCount(student, samples, "samples");

  const id = newId("reason");
  const run = ask(student, question, {
    id,
    onEvent: (event) => onFrame(frameOf(event, id, student.id)),
    submit(order, listener) {
      const generation = startGeneration(context, student, caller, order, listener);
      metrics.traffic.countRequest(caller.name);
      return generation;
    },
  });
  const done = run.done.then((record) => {
    metrics.countQuestion(record);
    trace.ended(traceEnd(record));
    const response = reasonResponseOf(record, request.return_samples);
    onFrame({ type: "result", ...response });
    return response;
  });
  return { id, done, cancel: run.cancel, enough: run.enough };
}

function traceEnd(record: AskRecord): InferenceEnd {
  const { id, model, samples, usage, promptTokensReused, timing, votes, decidedAt, stopReason } = record;
  return {
    id,
    model,
    finishReasons: samples.map(({ finishReason }) => wireFinishReason(finishReason)),
    promptTokens: usage.promptTokens,
    promptTokensReused,
    generatedTokens: usage.completionTokens,
    timings: [timing],
    vote: { share: votes[0]?.share ?? null, decidedAt, stopReason },
  };
}
