// Response schemas of GET /v1/models: OpenAI's model object, with the student's limits and manifest.
import { z } from "zod";

export const model = z
  .object({
    id: z.string().describe("The value for a request's `model`."),
    object: z.literal("model").describe("Always model."),
    created: z.number().describe("Unix seconds."),
    owned_by: z.string().describe("Always magdi."),
    context_length: z.number().describe("Maximum tokens of prompt and answer together."),
    max_samples: z.number().describe("Maximum samples of one request."),
    manifest: z
      .record(z.string(), z.unknown())
      .describe("The student folder's student.json, with the `dtype`, `device` and `kernels` in use."),
  })
  .meta({ title: "Model" });

export const modelList = z.object({ object: z.literal("list"), data: z.array(model) });
