// The frames of /v1/reason in both directions: JSON text messages on the WebSocket, server-sent events in a stream.
import { z } from "zod";
import { DEBATE_FRAMES, PROGRESS_FRAMES } from "../debate/debate-frames.ts";
import { debateRequest } from "../debate/debate-schema.ts";
import { errorDetail } from "../transport/error-schema.ts";
import * as fields from "../transport/request-fields.ts";
import { escalation, reasonRequest, reasonResponse } from "./schema.ts";

const ID = /^[\w.:-]{1,64}$/;
const ID_EXPECTED = "expected 1 to 64 letters, digits or any of _ . : -";

const id = fields
  .nonEmptyText("the request's id as a string")
  .regex(ID, ID_EXPECTED)
  .describe("The request's id, chosen by the client; unique among the requests running on the connection.");

/** The body of POST /v1/reason with an id; without `stream`, because answers on a socket are always streamed. */
function questionFrame(maxSamples: number) {
  return reasonRequest(maxSamples)
    .omit({ stream: true })
    .extend({ type: z.literal("reason"), id })
    .meta({ title: "ReasonQuestionFrame", description: "A question. Its frames carry the same id." });
}

/** The body of POST /v1/debate with an id. */
function debateQuestionFrame(maxRounds: number) {
  return debateRequest(maxRounds)
    .omit({ stream: true })
    .extend({ type: z.literal("debate"), id })
    .meta({
      title: "DebateQuestionFrame",
      description: "A question for the agents to debate. Its frames carry the same id.",
    });
}

const cancelFrame = z
  .strictObject({ type: z.literal("cancel"), id })
  .describe('Cancels a request. Its last frame is an error with the code "cancelled".')
  .meta({ title: "CancelFrame" });

const enoughFrame = z
  .strictObject({ type: z.literal("enough"), id })
  .describe(
    "Settles the vote with the samples finished so far, or a debate with what was said. The result follows.",
  )
  .meta({ title: "EnoughFrame" });

const pingFrame = z
  .strictObject({ type: z.literal("ping") })
  .describe("The server answers with a pong.")
  .meta({ title: "PingFrame" });

/** The client's frames by type. */
export function clientFrames({ maxSamples, debateRounds }: { maxSamples: number; debateRounds: number }) {
  return {
    reason: questionFrame(maxSamples),
    debate: debateQuestionFrame(debateRounds),
    cancel: cancelFrame,
    enough: enoughFrame,
    ping: pingFrame,
  };
}

/** Any frame from the client. */
export function clientFrame({ reason, debate, cancel, enough, ping }: ClientFrames) {
  return z.discriminatedUnion("type", [reason, debate, cancel, enough, ping]);
}

export type ClientFrames = ReturnType<typeof clientFrames>;

const frameId = z.string().describe("The request's id: on a socket the client's, in a stream the server's.");
const sample = z.number().describe("The sample's index.");

const acceptedFrame = z
  .strictObject({
    type: z.literal("accepted"),
    id: frameId,
    model: z.string(),
    task: reasonResponse.shape.task,
    samples: z.number(),
    seed: z.number(),
  })
  .describe("The request is in the waiting queue.")
  .meta({ title: "AcceptedFrame" });

const tokenFrame = z
  .strictObject({ type: z.literal("token"), id: frameId, sample, text: z.string() })
  .describe("More text of one sample: whole characters, never empty.")
  .meta({ title: "TokenFrame" });

const sampleFrame = z
  .strictObject({
    type: z.literal("sample"),
    id: frameId,
    sample,
    answer: z.string().nullable(),
    finish_reason: z.enum(["stop", "length", "abort", "cancelled"]),
  })
  .describe("A sample has finished and was counted.")
  .meta({ title: "SampleFrame" });

const voteFrame = z
  .strictObject({
    type: z.literal("vote"),
    id: frameId,
    votes: reasonResponse.shape.votes,
    remaining: z.number().describe("Samples not counted yet, with those of waves that have not started."),
  })
  .describe("The vote so far, after a sample.")
  .meta({ title: "VoteFrame" });

const resultFrame = z
  .strictObject({ ...reasonResponse.shape, type: z.literal("result") })
  .describe("The whole response. The request's last frame.")
  .meta({ title: "ResultFrame" });

export const errorFrame = z
  .strictObject({ type: z.literal("error"), id: frameId.nullable(), error: errorDetail })
  .describe(
    "With an id: the request has failed, and this is its last frame. Without one: about a client frame that started no request.",
  )
  .meta({ title: "ErrorFrame" });

const pongFrame = z
  .strictObject({ type: z.literal("pong") })
  .meta({ title: "PongFrame", description: "Answers a ping." });

const escalateFrame = z
  .strictObject({
    type: z.literal("escalate"),
    id: frameId,
    reason: escalation.shape.reason,
    share: escalation.shape.share,
    confidence: escalation.shape.confidence,
  })
  .describe("The student is not sure enough: the agents debate the question, if they can.")
  .meta({ title: "EscalateFrame" });

/** The frames of a question that succeeds. */
const reasonFrame = z.discriminatedUnion("type", [
  acceptedFrame,
  tokenFrame,
  sampleFrame,
  voteFrame,
  escalateFrame,
  ...PROGRESS_FRAMES,
  resultFrame,
]);

/** Frames of a stream; an error is its last frame. */
export const streamFrame = z.discriminatedUnion("type", [...reasonFrame.options, errorFrame]);

/** Frames that the server sends on a socket. */
export const serverFrame = z.discriminatedUnion("type", [
  acceptedFrame,
  tokenFrame,
  sampleFrame,
  voteFrame,
  escalateFrame,
  resultFrame,
  ...DEBATE_FRAMES,
  errorFrame,
  pongFrame,
]);

export type ReasonFrame = z.output<typeof reasonFrame>;
export type ServerFrame = z.output<typeof serverFrame>;
