// What GET /v1/baselines answers. It knows no request.
import { z } from "zod";
import { TASKS } from "../../answers/task.ts";

const baseline = z
  .object({
    name: z.string().describe("What requests put into `baseline`."),
    tasks: z
      .array(z.enum(TASKS))
      .describe("The tasks that are compared with it when a request names no baseline."),
    tokens: z.number().describe("Mean tokens of one debated question."),
    student_tokens: z
      .number()
      .nullable()
      .describe(
        "Mean tokens of the distilled student on the same questions; null where it was not measured.",
      ),
    ratio: z.number().nullable().describe("Debate tokens over the student's, to two decimals."),
    source: z.string().describe("Where the numbers come from."),
  })
  .meta({ title: "Baseline" });

export const baselineList = z.object({
  object: z.literal("list"),
  data: z.array(baseline),
  mean: baseline.nullable().describe("The entry called mean; null where there is none."),
});

export type BaselineList = z.output<typeof baselineList>;
