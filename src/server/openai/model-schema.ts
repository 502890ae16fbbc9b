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
    memory: z
      .object({
        available_bytes: z.number().describe("Memory that there was for the server at its start."),
        batch_rows: z.number().describe("Samples that decode at the same time."),
        row_tokens: z
          .number()
          .nullable()
          .describe("Tokens that they may hold together; null if each may fill the context."),
        prefix_cache_tokens: z.number().describe("Prompt tokens kept computed."),
      })
      .optional()
      .describe("What the server took of the memory that there is."),
    manifest: z
      .record(z.string(), z.unknown())
      .describe("The student folder's student.json, with the `dtype`, `device` and `kernels` in use."),
    checked_files: z
      .array(z.string())
      .describe(
        "Those of the manifest's `files` whose hashes the server has compared with the files so far.",
      ),
  })
  .meta({ title: "Model" });

export const modelList = z.object({ object: z.literal("list"), data: z.array(model) });
