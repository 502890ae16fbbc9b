// The frames of a debate: events of a stream, and messages of the WebSocket.
import { z } from "zod";
import { reasonResponse } from "../reason/schema.ts";
import { debateAgent, debateNode, missingNode } from "./account-schema.ts";
import { debateResponse } from "./debate-schema.ts";

const id = z.string().describe("The request's id: on a socket the client's, in a stream the server's.");

const debateFrame = z
  .strictObject({
    type: z.literal("debate"),
    id,
    task: reasonResponse.shape.task,
    agents: z.array(debateAgent),
    rounds: z.number().describe("Most rounds after round 0."),
    seed: z.number(),
  })
  .describe("The debate is accepted; it may still wait for others to end.")
  .meta({ title: "DebateFrame" });

const callFrame = z
  .strictObject({
    type: z.literal("call"),
    id,
    round: z.number(),
    agent: z.string(),
    attempt: z.number().describe("From 0; above it the call is a further attempt."),
  })
  .describe("An agent is asked.")
  .meta({ title: "CallFrame" });

const nodeFrame = z
  .strictObject({ type: z.literal("node"), id, node: debateNode })
  .describe("An agent has answered.")
  .meta({ title: "NodeFrame" });

const missingFrame = z
  .strictObject({ type: z.literal("missing"), id, missing: missingNode })
  .describe("An agent has no answer in this round.")
  .meta({ title: "MissingFrame" });

const roundFrame = z
  .strictObject({
    type: z.literal("round"),
    id,
    round: z.number(),
    groups: z
      .array(
        z.object({
          answer: z.string().nullable().describe("Null: those without an answer."),
          count: z.number(),
          agents: z.array(z.string()),
        }),
      )
      .describe("Answers by value, the most frequent first."),
    consensus: z.boolean(),
  })
  .describe("A round has ended.")
  .meta({ title: "RoundFrame" });

const debateResultFrame = z
  .strictObject({ ...debateResponse.shape, type: z.literal("debate_result") })
  .describe("The whole response. The debate's last frame.")
  .meta({ title: "DebateResultFrame" });

/** Those of a debate that goes on, of its own or within a question. */
export const PROGRESS_FRAMES = [debateFrame, callFrame, nodeFrame, missingFrame, roundFrame] as const;

const progressFrame = z.discriminatedUnion("type", PROGRESS_FRAMES);

export const DEBATE_FRAMES = [...PROGRESS_FRAMES, debateResultFrame] as const;

const anyDebateFrame = z.discriminatedUnion("type", DEBATE_FRAMES);

export type DebateProgressFrame = z.output<typeof progressFrame>;
export type DebateFrame = z.output<typeof anyDebateFrame>;
