// Request and response schemas of POST /v1/reason.
import { z } from "zod";
import { TASKS } from "../../answers/task.ts";
import { DEFAULT_TOP_K, DEFAULT_TOP_P } from "../../asking/sampling.ts";
import { debateAccount, debateUsage, ESCALATION_FAILURES } from "../debate/account-schema.ts";
import * as fields from "../transport/request-fields.ts";

/** Choices without labels get the letters A to Z. */
const MAX_CHOICES = 26;

const choice = z.union(
  [
    fields.nonEmptyText("a text"),
    z.strictObject({
      label: fields.nonEmptyText("a label such as A").max(16, "expected a label of at most 16 characters"),
      text: fields.nonEmptyText("the choice's text"),
    }),
  ],
  { error: 'expected a text, or {"label": "A", "text": …}' },
);

export function reasonRequest(maxSamples: number) {
  return z.strictObject({
    question: fields.nonEmptyText("the question's text").describe("The question."),
    task: fields
      .choiceField(TASKS)
      .optional()
      .describe(
        "The kind of question, which decides how answers are read. Default: multiple-choice if there are choices, otherwise inferred from the question. The response reports it.",
      ),
    choices: z
      .array(choice, { error: "expected a list of choices" })
      .min(2, "expected at least two choices")
      .max(MAX_CHOICES, `expected at most ${MAX_CHOICES} choices`)
      .optional()
      .describe('The options of a multiple-choice question: texts, or {"label", "text"}.'),
    passage: fields.textField("a text").optional().describe("A text to answer the question from."),
    model: fields.modelName.optional(),
    samples: fields.samplesField(maxSamples).default(1).describe("Number of samples that vote."),
    temperature: fields.temperature.optional().describe("Default: 0.7 with several samples, 0 with one."),
    top_p: fields.topP.default(DEFAULT_TOP_P),
    top_k: fields.topK.default(DEFAULT_TOP_K),
    max_tokens: fields.maxTokens
      .optional()
      .describe("Maximum tokens of each sample. Default: 300, or 700 for questions with LaTeX."),
    seed: fields.seed.optional(),
    vote: fields
      .choiceField(["majority", "confidence"])
      .default("majority")
      .describe("majority: one vote a sample; confidence: votes weighted by the sample's confidence."),
    early_stop: fields
      .choiceField(["exact", "adaptive", "off"])
      .default("exact")
      .describe(
        "When to stop before all samples finish. exact: when the remaining samples cannot change the winner; adaptive: also when they are unlikely to; off: never.",
      ),
    wave: fields
      .integerField(`a whole number from 1 to ${maxSamples}`, 1, maxSamples)
      .optional()
      .describe(
        "Samples started at a time: more start when all of them have ended and the vote is not settled. Takes longer, and fewer tokens. Not with early_stop off. Default: all.",
      ),
    return_samples: fields.booleanField().default(false).describe("Include the samples in the response."),
    baseline: fields
      .textField("a baseline's name")
      .optional()
      .describe("The debate to compare costs with, by its name in GET /v1/baselines. Default: the task's."),
    escalate: z
      .strictObject(
        {
          below: z
            .number({ error: "expected a number above 0 and at most 1" })
            .gt(0, "expected a number above 0 and at most 1")
            .max(1, "expected a number above 0 and at most 1")
            .describe("A student less sure than this is."),
          by: fields
            .choiceField(["share", "confidence"])
            .default("share")
            .describe(
              "share: the winner's share of the vote, which is 1 with one sample; confidence: that of the sample that speaks for it, the exponential of its mean token log-probability.",
            ),
        },
        { error: 'expected {"below": a number}' },
      )
      .optional()
      .describe(
        "Has the server's agents debate the question when the student is not sure of its answer, or has none; then the debate's answer is given. Needs agents, and a key with the right debate.",
      ),
    stream: fields.stream.default(false),
  });
}

export type ReasonRequest = z.output<ReturnType<typeof reasonRequest>>;

const vote = z
  .object({
    answer: z.string().describe("The answer, as its most confident sample wrote it."),
    count: z.number().describe("Samples with this answer."),
    weight: z.number().describe("Sum of their weights."),
    share: z.number().describe("weight / sum of all weights."),
  })
  .meta({ title: "Vote" });

/** What became of a question that the student was not sure of. */
export const escalation = z
  .object({
    reason: z
      .enum(["share", "confidence", "no_answer"])
      .describe("What was under the bound; no_answer: the student had none."),
    share: z.number().describe("The student's share of the vote; 0 without an answer."),
    confidence: z
      .number()
      .nullable()
      .describe("That of the student's sample that speaks for its answer; null without one."),
    from: z
      .object({
        answer: z.string().nullable(),
        reasoning: z.string().nullable(),
        votes: z.array(vote),
      })
      .describe("The student's answer."),
    failed: z
      .enum(ESCALATION_FAILURES)
      .nullable()
      .describe(
        "Why the answer is the student's after all. queue_full, queue_timeout: too many debates; budget: the day's is spent; agents_failed: nobody answered; no_answer: no agent's answer could be read; shutting_down; failed: the server's log has the cause.",
      ),
    id: z.string().nullable().describe("The debate's id in the server's log; null if none began."),
    usage: debateUsage.nullable().describe("What the debate cost; null if none was held."),
    debate: debateAccount.nullable().describe("The debate; null if none was held."),
  })
  .meta({ title: "Escalation" });

const sample = z
  .object({
    index: z.number().describe("From 0. Seed and index together determine the sample."),
    text: z.string().describe("The generated text."),
    answer: z.string().nullable().describe("Null if no answer could be read."),
    tokens: z.number().describe("Generated tokens."),
    logprob_mean: z
      .number()
      .nullable()
      .describe("Mean log-probability (natural) of its tokens; null without tokens."),
    finish_reason: z
      .enum(["stop", "length", "abort", "cancelled"])
      .describe(
        "length: max_tokens or the context; abort: a deadline or a shutdown; cancelled: the vote was settled without it, before it started (no tokens) or while it ran.",
      ),
  })
  .meta({ title: "Sample" });

export const reasonResponse = z.object({
  id: z.string().describe("The request's id, also in its frames."),
  model: z.string().describe("The student that answered."),
  task: z.enum(TASKS).describe("As requested, or as inferred from the question."),
  answer: z.string().nullable().describe("Null if no sample had a readable answer."),
  reasoning: z.string().nullable().describe("The text of the most confident sample with this answer."),
  votes: z.array(vote).describe("Best first."),
  decided_at: z.number().describe("Number of finished samples when the vote was settled."),
  stop_reason: z
    .enum(["complete", "exact", "adaptive", "enough", "abort"])
    .describe(
      "complete: all samples finished; exact, adaptive: early stopping; enough: the client asked to settle; abort: a deadline or a shutdown.",
    ),
  samples: z.array(sample).optional().describe("Only with return_samples."),
  samples_run: z.number().optional().describe("Only with wave: the samples that generated any tokens."),
  usage: z
    .object({
      prompt_tokens: z.number().describe("Counted once, whatever the number of samples."),
      prompt_tokens_computed: z.number().describe("Of these, not found in the prefix cache."),
      completion_tokens: z.number().describe("Generated tokens of all samples."),
      completion_tokens_discarded: z.number().describe("Of these, tokens of samples that were stopped."),
      total_tokens: z.number().describe("prompt_tokens + completion_tokens."),
    })
    .describe("Tokens spent on this answer."),
  comparison: z
    .object({
      baseline: z.string().describe("The baseline's name in GET /v1/baselines."),
      tokens: z.number().describe("Mean tokens of a debate of one question."),
      ratio: z.number().describe("Debate tokens / this answer's total tokens."),
      source: z.string().describe("Where the baseline's number comes from."),
    })
    .nullable()
    .describe(
      "The cost of a multi-agent debate; null if nothing was computed. An escalated answer's counts both.",
    ),
  timing: z
    .object({
      queue_ms: z.number().nullable().describe("Time in the waiting queue."),
      prefill_ms: z.number().nullable().describe("Time to process the prompt."),
      decode_ms: z.number().nullable().describe("From the end of prefill to the last token."),
      first_token_ms: z.number().nullable().describe("From arrival to the first token."),
      total_ms: z.number().describe("From arrival to the end."),
      tokens_per_second: z.number().nullable().describe("Generated tokens of all samples / decode_ms."),
    })
    .describe("Measured by the engine; null for a phase that was not reached."),
  seed: z.number().describe("Send it again to get the same samples and vote."),
  escalated: escalation
    .nullable()
    .optional()
    .describe(
      "Only with escalate: null when the student was sure enough. Otherwise answer, reasoning and votes are the debate's unless it failed; usage is the student's alone.",
    ),
});

export type ReasonResponse = z.output<typeof reasonResponse>;
