// Request and response schemas of POST /v1/vote, also for each line of magdi vote.
import { z } from "zod";
import * as fields from "../transport/request-fields.ts";
import { reasonRequest, reasonResponse } from "./schema.ts";

const MAX_TEXTS = 1024;
const MAX_WEIGHT = 1e6;

const { task, choices, vote } = reasonRequest(1).shape;

export const voteRequest = z.strictObject({
  question: fields
    .textField("a text")
    .optional()
    .describe("The question that the texts answer; the task is inferred from it."),
  task,
  choices,
  samples: z
    .array(
      z.strictObject({
        text: fields.textField("a text").describe("The generated text, including its reasoning."),
        weight: fields
          .numberField(`a number from 0 to ${MAX_WEIGHT}`, 0, MAX_WEIGHT)
          .default(1)
          .describe(
            "With majority the weight of the vote; with confidence the text's confidence, from 0 to 1.",
          ),
      }),
      { error: 'required: expected a list of {"text": …}' },
    )
    .min(1, "expected at least one text")
    .max(MAX_TEXTS, `expected at most ${MAX_TEXTS} texts`)
    .describe("The texts that vote."),
  rule: vote.describe("majority: votes count by weight; confidence: by the rescaled confidence."),
});

export const voteResponse = z.object({
  task: reasonResponse.shape.task,
  answer: reasonResponse.shape.answer,
  votes: reasonResponse.shape.votes,
  tied: z
    .boolean()
    .describe("True if the two best answers have the same weight, so that a tie-break decided."),
  samples: z
    .array(z.object({ answer: z.string().nullable().describe("Null if no answer could be read.") }))
    .describe("The answer read from each text, in order."),
});

export type VoteRequest = z.input<typeof voteRequest>;
export type VoteResponse = z.output<typeof voteResponse>;
