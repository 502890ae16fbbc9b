// Schemas of what a debate is reported as: its nodes, rounds and votes, and what it cost.
import { z } from "zod";

/** Why an escalated question has the student's answer after all. */
export const ESCALATION_FAILURES = [
  "queue_full",
  "queue_timeout",
  "budget",
  "agents_failed",
  "no_answer",
  "shutting_down",
  "failed",
] as const;
export type EscalationFailure = (typeof ESCALATION_FAILURES)[number];

const agentName = z.string().describe("The agent's name.");
const round = z.number().describe("From 0.");

export const debateNode = z
  .object({
    agent: agentName,
    round,
    answer: z.string().nullable().describe("Null if none could be read."),
    confidence: z
      .number()
      .nullable()
      .describe("From 0 to 1, as the agent states it; null if it states none."),
    reasoning: z.string(),
    refused: z.boolean().describe("The agent would not answer."),
    model: z.string().nullable().describe("As the endpoint names it."),
    finish_reason: z.string().nullable(),
    prompt_tokens: z.number().nullable().describe("As the agent counts them; null if it does not say."),
    completion_tokens: z.number().nullable().describe("As the agent counts them; null if it does not say."),
    usd: z.number().nullable().describe("Null without prices or tokens."),
    ms: z.number().describe("Time of the call that was answered."),
  })
  .meta({ title: "DebateNode" });

export const missingNode = z
  .object({
    agent: agentName,
    round,
    reason: z
      .enum(["status", "failed", "stopped"])
      .describe(
        "status: the agent answered with an HTTP status; failed: no answer came, or none that could be read; stopped: the debate was ended before.",
      ),
    status: z.number().nullable().describe("The HTTP status."),
  })
  .meta({ title: "MissingNode" });

export const debateAgent = z
  .object({ name: agentName, model: z.string().nullable().describe("The model that is asked for.") })
  .meta({ title: "DebateAgent" });

const answer = z.string().nullable();

export const debateAccount = z
  .object({
    rounds: z.number().describe("The last round that was begun, from 0."),
    decided_in: z.number().nullable().describe("The round that voted; null if nobody answered."),
    consensus: z
      .boolean()
      .describe("All who answered in that round gave the same answer, at least two of them."),
    team: z
      .object({ rescaled: answer, majority: answer, mean_confidence: answer })
      .describe("The answers of all three votes."),
    agents: z.array(debateAgent),
    nodes: z.array(debateNode).describe("By round, then in the order of the agents."),
    missing: z.array(missingNode).describe("Agents that failed in a round."),
  })
  .meta({ title: "DebateAccount" });

export const debateUsage = z
  .object({
    prompt_tokens: z.number(),
    completion_tokens: z.number(),
    total_tokens: z.number().describe("prompt_tokens + completion_tokens."),
    calls: z.number().describe("Attempts, those that failed included."),
    unreported_calls: z
      .number()
      .describe("Calls that may have been charged for and did not say their tokens."),
    usd: z
      .number()
      .nullable()
      .describe("At the prices of the agents' file; null if one that was asked has none."),
  })
  .describe("What the agents report.")
  .meta({ title: "DebateUsage" });

export type DebateAccount = z.output<typeof debateAccount>;
export type DebateUsage = z.output<typeof debateUsage>;
