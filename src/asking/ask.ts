// Answers one question: renders the prompt, generates samples, votes, counts tokens. Events while it runs, a record at the
// end. The server, evaluations and the magdi package all use it.

import type { Task } from "../answers/task.ts";
import {
  type CancelReason,
  discardReasonOf,
  type FinishReason,
  type RequestEnd,
  requestEndOf,
} from "../base/finish-reason.ts";
import type {
  GenerationEngine,
  GenerationListener,
  GenerationResult,
  GenerationTiming,
  SampleResult,
} from "../engine/request.ts";
import { type ChatSpeaker, encodeChat } from "../text/chat-prompt.ts";
import type { Baseline } from "../voting/baselines.ts";
import { waveEnd } from "../voting/early-stop.ts";
import { FinishOrder } from "../voting/finish-order.ts";
import { type Comparison, Ledger, type Usage } from "../voting/ledger.ts";
import type { Vote } from "../voting/vote.ts";
import { type SampleReport, type StopReason, Voter } from "../voting/voter.ts";
import { withinContext, withPromptParam } from "./prompt-tokens.ts";
import { renderPrompt } from "./prompts.ts";
import type { ResolvedQuestion } from "./question.ts";
import {
  type GenerationLimits,
  type GenerationObserver,
  NO_LIMITS,
  watchGeneration,
} from "./watched-generation.ts";

/** What asking needs of a student. */
export interface AskableStudent extends ChatSpeaker {
  readonly id: string;
  readonly engine: GenerationEngine;
}

export type AskEvent =
  /** The engine has queued the request. */
  | { readonly type: "accepted"; readonly task: Task; readonly samples: number; readonly seed: number }
  /** More text of one sample: whole characters, never empty. */
  | { readonly type: "token"; readonly sample: number; readonly text: string }
  /** A sample has finished and was counted. */
  | {
      readonly type: "sample";
      readonly sample: number;
      readonly answer: string | null;
      readonly finishReason: FinishReason;
    }
  /** The vote so far, after that sample; `remaining` samples were not counted yet, those of later waves among them. */
  | { readonly type: "vote"; readonly votes: readonly Vote[]; readonly remaining: number };

/** The outcome of a question, once all its samples have ended. */
export interface AskRecord {
  readonly id: string;
  readonly model: string;
  readonly task: Task;
  readonly seed: number;
  /** Null if no sample had a readable answer. */
  readonly answer: string | null;
  /** The text of the most confident sample with this answer. */
  readonly reasoning: string | null;
  /** Best first. */
  readonly votes: readonly Vote[];
  readonly tied: boolean;
  /** Samples finished when the vote was settled. */
  readonly decidedAt: number;
  /** "abort" when the samples were stopped before the vote was settled. */
  readonly stopReason: StopReason | "abort";
  /** By index; logprobMean is NaN for a sample without tokens. */
  readonly samples: readonly SampleReport[];
  /** Samples that generated any tokens: all of them unless the question was stopped or its vote decided before. */
  readonly samplesRun: number;
  readonly usage: Usage;
  /** Prompt tokens found in the prefix cache. */
  readonly promptTokensReused: number;
  readonly baseline: Baseline;
  /** Null if nothing was computed. */
  readonly comparison: Comparison | null;
  readonly timing: GenerationTiming;
  readonly end: RequestEnd;
}

export interface AskOptions {
  /** The record's id. */
  readonly id: string;
  /** Called in order, from "accepted" on. */
  onEvent?(event: AskEvent): void;
  /** Default: none. */
  readonly limits?: GenerationLimits;
  readonly observer?: GenerationObserver;
}

export interface AskRun {
  readonly id: string;
  readonly done: Promise<AskRecord>;
  /** Stops all samples; `done` still resolves. */
  cancel(reason: CancelReason): void;
  /** Settles the vote with the samples finished so far. */
  enough(): void;
}

/** If `onEvent` throws, the question is cancelled and `done` rejects with that error.
 * @throws MagdiError MAGDI_QUEUE_FULL, MAGDI_CONTEXT_LENGTH (param "question"), and what else the engine refuses */
export function ask(student: AskableStudent, question: ResolvedQuestion, options: AskOptions): AskRun {
  const { engine } = student;
  const { task, samples, sampling, wave } = question;
  const { id, onEvent = () => {}, limits = NO_LIMITS, observer } = options;
  engine.assertRoom(samples, limits.caller); // before tokenising the prompt
  const prompt = renderPrompt(question);
  const promptTokens = withinContext(engine, "question", (atMost) => encodeChat(student, prompt, { atMost }));

  const voter = new Voter({ ...question, rule: question.vote });
  let started = waveEnd(0, samples, wave);
  let order = new FinishOrder<SampleResult>(started);
  const count = (results: readonly SampleResult[]) => {
    for (const result of results) {
      const { answer, decided } = voter.add(finishedSample(result));
      onEvent({ type: "sample", sample: result.index, answer, finishReason: result.finishReason });
      onEvent({ type: "vote", votes: voter.tally().votes, remaining: voter.remaining });
      if (decided !== null) generation.cancel("decided");
    }
  };
  const startNextWave = () => {
    if (!order.complete || voter.settled) return;
    const first = started;
    started = waveEnd(first, samples, wave);
    order = new FinishOrder(started, first);
    generation.start(started);
  };
  const listener: GenerationListener = {
    onToken({ sample, text }) {
      if (text !== "") onEvent({ type: "token", sample, text });
      count(order.advanced(sample));
    },
    onSampleEnd(result) {
      const { index, tail, tokenIds, finishReason } = result;
      if (tail !== "") onEvent({ type: "token", sample: index, text: tail });
      // A stopped sample has no vote, and no wave follows it; it is added to the record at the end.
      if (discardReasonOf(finishReason) !== null) return count(order.withdrawn(index));
      count(order.finished(index, tokenIds.length, result));
      startNextWave();
    },
  };
  const request = { ...limits, id, promptTokens, samples, startSamples: started, sampling };
  const generation = watchGeneration(
    (watched) => withPromptParam("question", () => engine.submit(request, watched)),
    listener,
    observer,
  );
  onEvent({ type: "accepted", task, samples, seed: sampling.seed });

  return {
    id,
    done: generation.done.then((result) => recordOf(id, student.id, question, voter, result)),
    cancel: (reason) => generation.cancel(reason),
    enough() {
      count(order.rest());
      voter.enough();
      generation.cancel("decided");
    },
  };
}

function finishedSample({ index, text, finishReason, tokenIds, logprobSum }: SampleResult) {
  const tokens = tokenIds.length;
  return { index, text, finishReason, tokens, logprobMean: logprobSum / tokens };
}

/** Settles the vote and sums tokens over all samples, including stopped ones. */
function recordOf(
  id: string,
  model: string,
  { task, sampling, baseline }: ResolvedQuestion,
  voter: Voter,
  result: GenerationResult,
): AskRecord {
  const aborted = !voter.settled;
  voter.enough();
  const { timing, promptTokens, promptTokensComputed, promptTokensReused } = result;
  const ledger = new Ledger();
  const samplesRun = result.samples.filter(({ tokenIds }) => tokenIds.length > 0).length;
  if (timing.prefillStartMs !== null) ledger.addPrompt(promptTokens, promptTokensComputed);
  for (const sample of result.samples) {
    const reason = discardReasonOf(sample.finishReason);
    if (reason === null) ledger.addFinished(sample.tokenIds.length);
    else {
      ledger.addDiscarded(reason, sample.tokenIds.length);
      voter.add(finishedSample(sample));
    }
  }
  const vote = voter.result();
  return {
    id,
    model,
    task,
    seed: sampling.seed,
    ...vote,
    stopReason: aborted ? "abort" : vote.stopReason,
    samplesRun,
    usage: ledger.usage(),
    promptTokensReused,
    baseline,
    comparison: ledger.comparison(baseline),
    timing,
    end: requestEndOf(result.samples),
  };
}
