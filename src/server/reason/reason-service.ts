// The life of one question: prompt, samples, vote, early stop, ledger, response. It knows no transport: whole
// answers and streams alike are made of its frames and its result.

import { type Choice, inferTask } from "../../answers/task.ts";
import { renderPrompt } from "../../asking/prompts.ts";
import { MagdiError } from "../../base/errors.ts";
import type { GenerationResult, SampleResult } from "../../engine/request.ts";
import { encodeChat } from "../../text/chat-prompt.ts";
import type { Baseline } from "../../voting/baselines.ts";
import { FinishOrder } from "../../voting/finish-order.ts";
import { Ledger } from "../../voting/ledger.ts";
import { finishedSample, Voter } from "../../voting/voter.ts";
import type { Caller } from "../access/caller.ts";
import { apiFinishReason, discardReasonOf, type RequestEnd, requestEnd } from "../finish.ts";
import { newId, type Run, type ServingContext, startGeneration } from "../generation-run.ts";
import type { SampleOutcome } from "../observation/metrics.ts";
import { type InferenceEnd, RequestTrace } from "../observation/request-trace.ts";
import { withinContext } from "../openai/prompt-encoding.ts";
import { assertSampleCount, assertServes, type ServedStudent } from "../served-student.ts";
import type { ReasonFrame } from "./frames.ts";
import { reasonSampling } from "./reason-sampling.ts";
import { reasonResponseOf } from "./response.ts";
import type { ReasonRequest, ReasonResponse } from "./schema.ts";

export interface ReasonRun extends Run<ReasonResponse> {
  /** Settles the vote on the samples finished so far. */
  enough(): void;
}

/**
 * Starts on a question. Frames come in order, from "accepted" on, and the last is "result"; nothing is said before
 * the engine has taken the request.
 *
 * @throws MagdiError MAGDI_UNKNOWN_MODEL, MAGDI_BAD_REQUEST, MAGDI_QUEUE_FULL, MAGDI_CONTEXT_LENGTH, …
 */
export function startReason(
  context: ServingContext,
  student: ServedStudent,
  caller: Caller,
  request: ReasonRequest,
  onFrame: (frame: ReasonFrame) => void = () => {},
  trace: RequestTrace = new RequestTrace(),
): ReasonRun {
  assertServes(student, request.model);
  const choices = labelled(request.choices);
  const { question, passage, samples } = request;
  const task = request.task ?? inferTask(question, choices);
  const baseline = context.baselines.select(task, request.baseline);
  const sampling = reasonSampling(request, task);
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
  student.engine.assertRoom(samples);

  const prompt = renderPrompt({ task, question, choices, passage: passage ?? null });
  const promptTokens = withinContext(student, "question", (atMost) =>
    encodeChat(student, prompt, { atMost }),
  );
  const id = newId("reason");
  const { seed } = sampling;
  const voter = new Voter({
    task,
    choices,
    samples,
    rule: request.vote,
    earlyStop: request.early_stop,
    adaptiveThreshold: context.adaptiveThreshold,
  });

  const order = new FinishOrder<SampleResult>(samples);
  const count = (results: readonly SampleResult[]) => results.forEach(vote);
  const vote = (result: SampleResult) => {
    const { answer, decided } = voter.add(ballotOf(result));
    onFrame({
      type: "sample",
      id,
      sample: result.index,
      answer,
      finish_reason: apiFinishReason(result.finishReason),
    });
    onFrame({ type: "vote", id, votes: [...voter.tally().votes], remaining: voter.remaining });
    if (decided !== null) generation.cancel("decided");
  };
  const finished = (result: SampleResult) => {
    if (result.tail !== "") onFrame({ type: "token", id, sample: result.index, text: result.tail });
    // A sample that somebody stopped has no vote; it is reported when all have ended.
    if (discardReasonOf(result.finishReason) !== null) count(order.withdrawn(result.index));
    else count(order.finished(result.index, result.tokenIds.length, result));
  };
  const generation = startGeneration(
    context,
    student,
    { id, caller, promptTokens, samples, promptParam: "question", sampling },
    {
      onToken(event) {
        if (event.text !== "") onFrame({ type: "token", id, sample: event.sample, text: event.text });
        count(order.advanced(event.sample));
      },
      onSampleEnd: finished,
    },
  );
  context.metrics.traffic.countRequest(caller.name);
  onFrame({ type: "accepted", id, model: student.id, task, samples, seed });

  const done = generation.done.then((result) => {
    const account = close(voter, result);
    const response = reasonResponseOf({
      id,
      model: student.id,
      task,
      seed,
      baseline,
      vote: voter.result(),
      aborted: account.aborted,
      ledger: account.ledger,
      result,
      returnSamples: request.return_samples,
    });
    countAnswer(context, response, account, result, voter, baseline);
    trace.ended(traceEnd(response, result));
    onFrame({ type: "result", ...response });
    return response;
  });
  return {
    id,
    done,
    cancel: (reason) => generation.cancel(reason),
    enough() {
      count(order.rest());
      voter.enough();
      generation.cancel("decided");
    },
  };
}

function traceEnd(response: ReasonResponse, result: GenerationResult): InferenceEnd {
  const { id, model, usage, votes, decided_at: decidedAt, stop_reason: stopReason } = response;
  return {
    id,
    model,
    finishReasons: result.samples.map((sample) => apiFinishReason(sample.finishReason)),
    promptTokens: usage.prompt_tokens,
    promptTokensReused: result.promptTokensReused,
    generatedTokens: usage.completion_tokens,
    timings: [result.timing],
    vote: { share: votes[0]?.share ?? null, decidedAt, stopReason },
  };
}

function labelled(choices: ReasonRequest["choices"]): Choice[] | null {
  if (choices === undefined) return null;
  const all = choices.map((choice, index) =>
    typeof choice === "string" ? { label: String.fromCharCode(65 + index), text: choice } : choice,
  );
  const labels = new Set(all.map((choice) => choice.label.toLowerCase()));
  if (labels.size < all.length) {
    throw new MagdiError("MAGDI_BAD_REQUEST", "choices: expected labels that differ, found one twice", {
      param: "choices",
    });
  }
  return all;
}

/** As the voter takes it, in the API's words. */
function ballotOf(result: SampleResult) {
  return finishedSample(result, apiFinishReason(result.finishReason));
}

interface Account {
  readonly ledger: Ledger;
  readonly end: RequestEnd;
  /** True when the samples were ended before the vote was settled. */
  readonly aborted: boolean;
}

/** Closes vote and ledger over all samples, stopped ones included. */
function close(voter: Voter, result: GenerationResult): Account {
  const aborted = !voter.settled;
  voter.enough();
  const ledger = new Ledger();
  if (result.timing.prefillStartMs !== null)
    ledger.addPrompt(result.promptTokens, result.promptTokensComputed);
  for (const sample of result.samples) {
    const reason = discardReasonOf(sample.finishReason);
    if (reason === null) ledger.addFinished(sample.tokenIds.length);
    else {
      ledger.addDiscarded(reason, sample.tokenIds.length);
      voter.add(ballotOf(sample));
    }
  }
  return { ledger, end: requestEnd(result.samples), aborted };
}

/** Writes the metrics from the same record as the response. */
function countAnswer(
  context: ServingContext,
  response: ReasonResponse,
  account: Account,
  result: GenerationResult,
  voter: Voter,
  baseline: Baseline,
): void {
  const { metrics } = context;
  const answers = new Map(voter.result().samples.map((sample) => [sample.index, sample.answer]));
  for (const sample of result.samples) {
    metrics.countSample(outcomeOf(sample, answers.get(sample.index) ?? null));
  }
  if (account.end === "disconnect" || account.end === "cancelled") {
    metrics.countFailure(account.end);
    return;
  }
  metrics.countSuccess(account.end);
  metrics.countAnswer({
    task: response.task,
    answer: response.answer,
    totalTokens: response.usage.total_tokens,
    baseline: baseline.name,
    debateTokens: baseline.tokens,
    share: response.votes[0]?.share ?? null,
    tied: voter.tally().tied,
    decidedAt: response.decided_at,
    earlyStop:
      response.stop_reason === "exact" || response.stop_reason === "adaptive" ? response.stop_reason : null,
  });
}

function outcomeOf(sample: SampleResult, answer: string | null): SampleOutcome {
  if (discardReasonOf(sample.finishReason) !== null) return "aborted";
  if (answer !== null) return "answered";
  return sample.finishReason === "length" ? "length" : "unparsed";
}
