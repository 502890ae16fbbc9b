// Request and response schemas of POST /v1/debate and GET /v1/agents.
import { z } from "zod";
import { reasonRequest, reasonResponse } from "../reason/schema.ts";
import * as fields from "../transport/request-fields.ts";
import { debateAccount, debateAgent, debateUsage } from "./account-schema.ts";
import { TEAM_VOTES } from "./debate-team.ts";

/** `rounds` is the server's limit. */
export function debateRequest(rounds: number) {
  const { question, task, choices, passage, seed, baseline, stream } = reasonRequest(1).shape;
  return z.strictObject({
    ...{ question, task, choices, passage },
    rounds: fields
      .integerField(`a whole number from 0 to ${rounds}, the server's maximum`, 0, rounds)
      .default(rounds)
      .describe("Most rounds after round 0, in which each agent hears the answers of the round before."),
    vote: fields
      .choiceField(TEAM_VOTES)
      .default("rescaled")
      .describe(
        "Whose answer is given. rescaled: votes weighted by rescaled confidences; majority: one vote an agent; mean_confidence: the answer whose agents are the surest on average.",
      ),
    seed: seed.describe(
      "Agents that take seeds are sent ones made of it. Default: a random one, which is reported.",
    ),
    ...{ baseline, stream },
  });
}

export type DebateRequest = z.output<ReturnType<typeof debateRequest>>;

export const debateResponse = z.object({
  id: z.string().describe("The debate's id, also in its frames."),
  model: z.literal("debate"),
  task: reasonResponse.shape.task,
  answer: z.string().nullable().describe("Null if no agent had a readable answer."),
  reasoning: z.string().nullable().describe("That of the most confident agent with this answer."),
  votes: reasonResponse.shape.votes.describe("Of the round that decided, best first."),
  stop_reason: z
    .enum(["consensus", "rounds", "unanswered", "enough", "budget", "abort"])
    .describe(
      "consensus: the agents agree; rounds: all rounds were held; unanswered: in the last round nobody answered; enough: the client asked to settle; budget: the day's is spent; abort: the debate's deadline or a shutdown.",
    ),
  usage: debateUsage,
  comparison: reasonResponse.shape.comparison,
  timing: z.object({
    queue_ms: z.number().describe("Time in the waiting queue."),
    total_ms: z.number().describe("From arrival to the end."),
  }),
  seed: z.number().describe("Send it again for the same seeds."),
  debate: debateAccount,
});

export type DebateResponse = z.output<typeof debateResponse>;

export const agentList = z.object({
  object: z.literal("list"),
  data: z
    .array(
      debateAgent.extend({
        usd_per_million_input: z.number().nullable(),
        usd_per_million_output: z.number().nullable(),
      }),
    )
    .describe("Empty if the server was started without agents."),
  rounds: z.number().describe("Most rounds of a debate after round 0."),
  timeout_ms: z.number().describe("Longest time of a debate."),
  allowed: z.boolean().describe("Whether this caller may have them debate."),
  budget: z
    .object({ usd_left: z.number().nullable(), tokens_left: z.number().nullable() })
    .describe("What this caller's debates may still cost today (UTC); null for no limit."),
});

export type AgentList = z.output<typeof agentList>;
