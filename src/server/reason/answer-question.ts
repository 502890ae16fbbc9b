// Answers one question, from POST /v1/reason or the WebSocket: runs it through asking/, counts and traces it, and turns
// its events into frames and its record into the response.
import { type AskRecord, ask } from "../../asking/ask.ts";
import { resolveQuestion } from "../../asking/question.ts";
import type { Caller } from "../access/caller.ts";
import { type InferenceRun, newId, type ServingContext } from "../app-context.ts";
import { requireDebates } from "../debate/answer-debate.ts";
import { Escalation } from "../debate/escalation.ts";
import { generationLimits, generationMeter } from "../generation-meter.ts";
import { type InferenceEnd, RequestTrace } from "../observation/request-trace.ts";
import { assertSampleCount, assertServes, type ServedStudent } from "../served-student.ts";
import { engineSeed } from "../transport/request-fields.ts";
import { wireFinishReason } from "../wire-finish-reason.ts";
import type { ReasonFrame } from "./frames.ts";
import { frameOf, reasonResponseOf } from "./response.ts";
import type { ReasonRequest, ReasonResponse } from "./schema.ts";

export interface ReasonRun extends InferenceRun<ReasonResponse> {
  /** Settles the vote with the samples finished so far. */
  enough(): void;
}

/**
 * Starts answering a question. The first frame is "accepted", once the engine has queued the request; the last is
 * "result".
 *
 * @throws MagdiError MAGDI_UNKNOWN_MODEL, MAGDI_BAD_REQUEST, MAGDI_QUEUE_FULL, MAGDI_CONTEXT_LENGTH, MAGDI_NO_AGENTS, …
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
  const debates = request.escalate === undefined ? null : requireDebates(context, caller);
  const { top_p: topP, top_k: topK, max_tokens: maxTokens, early_stop: earlyStop, seed, ...named } = request;
  const { baselines, config, metrics } = context;
  const question = resolveQuestion(
    {
      ...named,
      topP,
      topK,
      maxTokens,
      earlyStop,
      adaptiveThreshold: config.adaptiveThreshold,
      seed: seed === undefined ? seed : engineSeed(seed),
    },
    baselines,
  );
  const { task, samples, sampling } = question;
  trace.started({
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
    limits: generationLimits(context, caller),
    observer: generationMeter(context, caller),
    onEvent(event) {
      if (event.type === "accepted") metrics.traffic.countRequest(caller.name);
      onFrame(frameOf(event, id, student.id));
    },
  });
  const escalation = new Escalation({ id, context, caller, debates, question, onFrame });
  const done = run.done.then(async (record) => {
    metrics.countQuestion(record);
    trace.ended(traceEnd(record));
    const own = reasonResponseOf(record, request);
    const response =
      request.escalate === undefined ? own : await escalation.answer(own, record, request.escalate);
    onFrame({ type: "result", ...response });
    if (!response.escalated) context.shadow?.offer(question, record);
    return response;
  });
  return {
    id,
    done,
    cancel(reason) {
      run.cancel(reason);
      escalation.cancel(reason);
    },
    enough() {
      run.enough();
      escalation.enough();
    },
  };
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
