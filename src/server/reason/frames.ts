// The frames of /v1/reason, in and out: what a socket carries as JSON texts, and a stream as events. It knows neither
// sockets nor streams.
import { z } from "zod";
import { errorDetail } from "../transport/error-schema.ts";
import * as fields from "../transport/fields.ts";
import { reasonRequest, reasonResponse } from "./schema.ts";

const ID = /^[\w.:-]{1,64}$/;
const ID_EXPECTED = "expected 1 to 64 letters, digits or any of _ . : -";

const id = fields
  .nonEmptyText("the request's id, a text")
  .regex(ID, ID_EXPECTED)
  .describe("The client's own name of the request, unlike that of any other that runs on the connection.");

/** A question: the body of POST /v1/reason under an id of the client's. It is always answered frame by frame. */
function questionFrame(maxSamples: number) {
  return reasonRequest(maxSamples)
    .omit({ stream: true })
    .extend({ type: z.literal("reason"), id })
    .meta({ title: "ReasonQuestionFrame", description: "A question; its frames follow under its id." });
}

const cancelFrame = z
  .strictObject({ type: z.literal("cancel"), id })
  .describe('Ends a request; its last frame is an error with the code "cancelled".')
  .meta({ title: "CancelFrame" });

const enoughFrame = z
  .strictObject({ type: z.literal("enough"), id })
  .describe("Settles a request on the samples that have finished; its result follows.")
  .meta({ title: "EnoughFrame" });

const pingFrame = z
  .strictObject({ type: z.literal("ping") })
  .describe("Answered with a pong.")
  .meta({ title: "PingFrame" });

/** What a client sends, by its type. */
export function clientFrames(maxSamples: number) {
  return { reason: questionFrame(maxSamples), cancel: cancelFrame, enough: enoughFrame, ping: pingFrame };
}

/** Any of them. */
export function clientFrame({ reason, cancel, enough, ping }: ClientFrames) {
  return z.discriminatedUnion("type", [reason, cancel, enough, ping]);
}

export type ClientFrames = ReturnType<typeof clientFrames>;

const frameId = z
  .string()
  .describe("The request's id: the client's own on a socket, the server's in a stream.");
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
  .describe("The request stands in the line.")
  .meta({ title: "AcceptedFrame" });

const tokenFrame = z
  .strictObject({ type: z.literal("token"), id: frameId, sample, text: z.string() })
  .describe("More text of one sample: whole characters, and not empty.")
  .meta({ title: "TokenFrame" });

const sampleFrame = z
  .strictObject({
    type: z.literal("sample"),
    id: frameId,
    sample,
    answer: z.string().nullable(),
    finish_reason: z.enum(["stop", "length", "abort", "cancelled"]),
  })
  .describe("A sample was counted.")
  .meta({ title: "SampleFrame" });

const voteFrame = z
  .strictObject({
    type: z.literal("vote"),
    id: frameId,
    votes: reasonResponse.shape.votes,
    remaining: z.number().describe("Samples that have not been counted."),
  })
  .describe("The vote as it stands after a sample.")
  .meta({ title: "VoteFrame" });

const resultFrame = z
  .strictObject({ ...reasonResponse.shape, type: z.literal("result") })
  .describe("The whole response; the request's last frame.")
  .meta({ title: "ResultFrame" });

const errorFrame = z
  .strictObject({ type: z.literal("error"), id: frameId.nullable(), error: errorDetail })
  .describe("With an id: the last frame of that request. Without one: about a frame that began no request.")
  .meta({ title: "ErrorFrame" });

const pongFrame = z
  .strictObject({ type: z.literal("pong") })
  .meta({ title: "PongFrame", description: "The answer to a ping." });

/** The frames of a request that goes well. */
const reasonFrame = z.discriminatedUnion("type", [
  acceptedFrame,
  tokenFrame,
  sampleFrame,
  voteFrame,
  resultFrame,
]);

/** What a stream sends, the error being its last frame before the end. */
export const streamFrame = z.discriminatedUnion("type", [...reasonFrame.options, errorFrame]);

/** Everything that a socket sends. */
export const serverFrame = z.discriminatedUnion("type", [...reasonFrame.options, errorFrame, pongFrame]);

export type ReasonFrame = z.output<typeof reasonFrame>;
export type ServerFrame = z.output<typeof serverFrame>;
