// What GET /v1/models answers: OpenAI's model object, and what a client must know of a student. It knows no engine.
import { z } from "zod";

export const model = z
  .object({
    id: z.string().describe("What requests put into `model`."),
    object: z.literal("model").describe("OpenAI's name of this kind of object."),
    created: z.number().describe("Unix seconds."),
    owned_by: z.string().describe("For OpenAI's clients."),
    context_length: z.number().describe("Tokens of prompt and answer together."),
    max_samples: z.number().describe("Most samples of one request."),
    manifest: z
      .record(z.string(), z.unknown())
      .describe("The student folder's student.json, with the `dtype` and the `device` that serve."),
  })
  .meta({ title: "Model" });

export const modelList = z.object({ object: z.literal("list"), data: z.array(model) });
