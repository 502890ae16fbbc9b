// What POST /v1/vote and the lines of magdi vote take and answer.
import { z } from "zod";
import * as fields from "../transport/fields.ts";
import { reasonRequest, reasonResponse } from "./schema.ts";

const MAX_TEXTS = 1024;
const MAX_WEIGHT = 1e6;

const { task, choices, vote } = reasonRequest(1).shape;

export const voteRequest = z.strictObject({
  question: fields.textField("a text").optional().describe("What was asked; it tells the task."),
  task,
  choices,
  samples: z
    .array(
      z.strictObject({
        text: fields.textField("a text").describe("What was generated, with its reasoning."),
        weight: fields
          .numberField(`a number from 0 to ${MAX_WEIGHT}`, 0, MAX_WEIGHT)
          .default(1)
          .describe(
            "Under majority what the vote weighs; under confidence the sample's confidence, from 0 to 1.",
          ),
      }),
      { error: 'required: expected a list of {"text": …}' },
    )
    .min(1, "expected at least one text")
    .max(MAX_TEXTS, `expected at most ${MAX_TEXTS} texts`)
    .describe("The texts whose answers vote."),
  rule: vote.describe("How votes are weighed."),
});

export const voteResponse = z.object({
  task: reasonResponse.shape.task,
  answer: reasonResponse.shape.answer,
  votes: reasonResponse.shape.votes,
  tied: z.boolean().describe("The two best weigh the same: a tie-break chose."),
  samples: z
    .array(z.object({ answer: z.string().nullable().describe("Null when none could be read.") }))
    .describe("What was read out of each text."),
});

export type VoteRequest = z.input<typeof voteRequest>;
export type VoteResponse = z.output<typeof voteResponse>;
