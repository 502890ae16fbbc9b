// What is the same in the answers of both OpenAI routes. It knows no engine.
import { z } from "zod";

export const completionUsage = z
  .object({
    prompt_tokens: z.number().describe("Of all prompts, each counted once whatever n is."),
    completion_tokens: z.number().describe("Of all choices."),
    total_tokens: z.number(),
    prompt_tokens_details: z.object({
      cached_tokens: z.number().describe("Prompt tokens that were reused rather than computed."),
    }),
  })
  .describe("What was computed for this answer.");

export const completionHead = {
  created: z.number().describe("Unix seconds."),
  model: z.string().describe("The student that answered."),
  system_fingerprint: z.string().describe("Changes when a seed may give other samples than before."),
  seed: z.number().describe("Send it again for the same samples."),
};

export const completionFinish = z
  .enum(["stop", "length", "abort"])
  .describe("length: max_tokens or the context; abort: a deadline or a shutdown.");

export const streamedUsage = completionUsage
  .nullable()
  .optional()
  .describe("With stream_options.include_usage: null in all chunks but the last, which has no choices.");
