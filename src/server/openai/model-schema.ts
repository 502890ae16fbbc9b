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
      .describe("The student folder's student.json, with the `dtype` and `device` in use."),
    checked_files: z
      .array(z.string())
      .describe(
        "Those of the manifest's `files` whose hashes the server has compared with the files so far.",
      ),
  })
  .meta({ title: "Model" });

export const modelList = z.object({ object: z.literal("list"), data: z.array(model) });
