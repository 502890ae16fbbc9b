// Response schema of GET /v1/baselines.
import { z } from "zod";
import { TASKS } from "../../answers/task.ts";

const baseline = z
  .object({
    name: z.string().describe("The value for a request's `baseline`."),
    tasks: z.array(z.enum(TASKS)).describe("Tasks that use it by default."),
    tokens: z.number().describe("Mean tokens of a debate of one question."),
    student_tokens: z
      .number()
      .nullable()
      .describe("Mean tokens of the distilled student on the same questions; null if not measured."),
    ratio: z.number().nullable().describe("tokens / student_tokens, rounded to two decimals."),
    source: z.string().describe("Where the numbers come from."),
  })
  .meta({ title: "Baseline" });

export const baselineList = z.object({
  object: z.literal("list"),
  data: z.array(baseline),
  mean: baseline.nullable().describe("The entry named mean; null if there is none."),
});

export type BaselineList = z.output<typeof baselineList>;
