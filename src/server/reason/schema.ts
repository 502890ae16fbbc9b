// What POST /v1/reason takes and answers. It knows neither engine nor vote.
import { z } from "zod";
import { TASKS } from "../../answers/task.ts";
import { DEFAULT_TOP_K, DEFAULT_TOP_P } from "../../asking/sampling.ts";
import * as fields from "../transport/fields.ts";

/** Texts without labels are lettered A to Z. */
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
    question: fields.nonEmptyText("the question's text").describe("What is asked."),
    task: fields
      .choiceField(TASKS)
      .optional()
      .describe(
        "The kind of question. Default: multiple-choice with choices, else by a declared rule; reported back.",
      ),
    choices: z
      .array(choice, { error: "expected a list of choices" })
      .min(2, "expected at least two choices")
      .max(MAX_CHOICES, `expected at most ${MAX_CHOICES} choices`)
      .optional()
      .describe('The options of a multiple-choice question: texts, or {"label", "text"}.'),
    passage: fields.textField("a text").optional().describe("A text that the question is about."),
    model: fields.modelName.optional(),
    samples: fields
      .samplesField(maxSamples, "samples vote")
      .default(1)
      .describe("How many samples of the one prompt vote."),
    temperature: fields.temperature.optional().describe("Default: 0.7 with several samples, else 0."),
    top_p: fields.topP.default(DEFAULT_TOP_P),
    top_k: fields.topK.default(DEFAULT_TOP_K),
    max_tokens: fields.maxTokens
      .optional()
      .describe("Most tokens of each sample. Default: 300, or 700 for LaTeX."),
    seed: fields.seed.optional(),
    vote: fields
      .choiceField(["majority", "confidence"])
      .default("majority")
      .describe("How votes are weighed."),
    early_stop: fields
      .choiceField(["exact", "adaptive", "off"])
      .default("exact")
      .describe(
        "exact: stop when no outcome can change the winner; adaptive: when it is unlikely to; off: never.",
      ),
    return_samples: fields.booleanField().default(false).describe("Put every sample into the response."),
    baseline: fields.textField("a baseline's name").optional().describe("The debate to compare costs with."),
    stream: fields.stream.default(false),
  });
}

export type ReasonRequest = z.output<ReturnType<typeof reasonRequest>>;

const vote = z
  .object({
    answer: z.string().describe("As its most confident sample wrote it."),
    count: z.number().describe("Samples that gave it."),
    weight: z.number().describe("Their summed weight under the vote's rule."),
    share: z.number().describe("Its weight over all weights."),
  })
  .meta({ title: "Vote" });

const sample = z
  .object({
    index: z.number().describe("From 0; with the seed it decides the sample."),
    text: z.string().describe("All that was generated."),
    answer: z.string().nullable().describe("Null when none could be read."),
    tokens: z.number().describe("Generated tokens."),
    logprob_mean: z
      .number()
      .nullable()
      .describe("Mean natural log-probability of its tokens; null without tokens."),
    finish_reason: z
      .enum(["stop", "length", "abort", "cancelled"])
      .describe("cancelled: the vote was settled without it."),
  })
  .meta({ title: "Sample" });

export const reasonResponse = z.object({
  id: z.string().describe("The request's name, the same in all its frames."),
  model: z.string().describe("The student that answered."),
  task: z.enum(TASKS).describe("As asked, or as told by the rule."),
  answer: z.string().nullable().describe("Null when no sample's answer could be read."),
  reasoning: z.string().nullable().describe("The sample that speaks for the answer."),
  votes: z.array(vote).describe("Best first."),
  decided_at: z.number().describe("Samples finished when the vote was settled."),
  stop_reason: z
    .enum(["complete", "exact", "adaptive", "enough", "abort"])
    .describe("Why no more samples were waited for; abort: a deadline or shutdown ended them."),
  samples: z.array(sample).optional().describe("Present when return_samples was asked for."),
  usage: z
    .object({
      prompt_tokens: z.number().describe("Counted once for all samples."),
      prompt_tokens_computed: z.number().describe("Those that were not reused."),
      completion_tokens: z.number().describe("All generated tokens."),
      completion_tokens_discarded: z.number().describe("Of these, the tokens of samples that were stopped."),
      total_tokens: z.number().describe("Prompt and completion tokens."),
    })
    .describe("What was computed for this answer."),
  comparison: z
    .object({
      baseline: z.string().describe("Its name in GET /v1/baselines."),
      tokens: z.number().describe("Tokens of one debated question."),
      ratio: z.number().describe("Debate tokens over this request's."),
      source: z.string().describe("Where the baseline's numbers come from."),
    })
    .nullable()
    .describe("What a multi-agent debate costs for such a question."),
  timing: z
    .object({
      queue_ms: z.number().nullable().describe("In the waiting line."),
      prefill_ms: z.number().nullable().describe("From its beginning to the end of the prompt."),
      decode_ms: z.number().nullable().describe("From the end of the prompt to the last token."),
      first_token_ms: z.number().nullable().describe("From its arrival to the first token."),
      total_ms: z.number().describe("From its arrival to its end."),
      tokens_per_second: z.number().nullable().describe("Generated tokens over the decoding time."),
    })
    .describe("On the engine's clock; null where a stage was not reached."),
  seed: z.number().describe("Send it again for the same samples and vote."),
});

export type ReasonResponse = z.output<typeof reasonResponse>;
