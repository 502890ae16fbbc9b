// Answers one question by a debate, from POST /v1/debate or the WebSocket: checks that the caller may ask for one, begins
// it, and turns its events into frames and what was held into the response.
import { resolveQuestion } from "../../asking/question.ts";
import { MagdiError } from "../../base/errors.ts";
import type { Caller } from "../access/caller.ts";
import { type InferenceRun, newId, type ServingContext } from "../app-context.ts";
import { engineSeed } from "../transport/request-fields.ts";
import type { DebateFrame } from "./debate-frames.ts";
import { debateFrame, debateListener, debateResponseOf } from "./debate-response.ts";
import type { DebateRequest, DebateResponse } from "./debate-schema.ts";
import type { TeamQuestion } from "./debate-team.ts";
import type { Debates } from "./debates.ts";

export interface DebateAnswerRun extends InferenceRun<DebateResponse> {
  /** Settles on what has been said so far. */
  enough(): void;
}

/**
 * The server's debates, for a caller that may have them.
 * @throws MagdiError MAGDI_FORBIDDEN, MAGDI_NO_AGENTS
 */
export function requireDebates({ debates }: Pick<ServingContext, "debates">, caller: Caller): Debates {
  if (!caller.rights.includes("debate")) {
    throw new MagdiError(
      "MAGDI_FORBIDDEN",
      `the API key has no right to debates: its entry needs rights=debate, it has ${caller.rights.join("+")}`,
    );
  }
  if (debates !== null) return debates;
  throw new MagdiError(
    "MAGDI_NO_AGENTS",
    "this server has no agents that could debate; it is started with --agents FILE to have some",
  );
}

/**
 * Begins a debate. The first frame is "debate", once it has a place or may wait for one; the last is "debate_result".
 * @throws MagdiError MAGDI_FORBIDDEN, MAGDI_NO_AGENTS, MAGDI_SHUTTING_DOWN, MAGDI_DEBATE_BUDGET, MAGDI_QUEUE_FULL, …
 */
export function answerDebate(
  context: ServingContext,
  caller: Caller,
  request: DebateRequest,
  onFrame: (frame: DebateFrame) => void = () => {},
): DebateAnswerRun {
  const debates = requireDebates(context, caller);
  context.lifecycle.assertTakesWork();
  const { rounds, vote, seed: given, ...named } = request;
  const seed = given === undefined ? given : engineSeed(given);
  const { question, task, choices, passage, baseline, sampling } = resolveQuestion(
    { ...named, seed },
    context.baselines,
  );
  const asked: TeamQuestion = { question, task, choices, passage };
  const debate = { question: asked, rounds, vote, seed: sampling.seed };
  const id = newId("debate");
  const running = debates.begin(
    { ...debate, account: caller.account, purpose: "request" },
    debateListener(id, onFrame),
  );
  context.lifecycle.track(running);
  onFrame(debateFrame(id, debate, debates.team));
  const done = running.done.then((ended) => {
    const response = debateResponseOf(id, debate, ended, debates.team, baseline);
    onFrame({ type: "debate_result", ...response });
    return response;
  });
  return { id, done, cancel: (reason) => running.cancel(reason), enough: () => running.enough() };
}
