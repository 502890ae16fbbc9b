// GET /v1/models and /v1/models/{id}: what is served, with its manifest.
import type { FastifyPluginAsyncZod } from "fastify-type-provider-zod";
import { z } from "zod";
import { MagdiError } from "../../errors.ts";
import { model, modelList } from "../schemas/model.ts";
import { assertServes, type ServedStudent } from "../served-student.ts";
import type { RouteOptions } from "./route-options.ts";

export const modelsRoute: FastifyPluginAsyncZod<RouteOptions> = async (app, { context, config }) => {
  const loaded = (): ServedStudent => {
    const { student } = context.admission;
    if (student !== null) return student;
    throw new MagdiError("MAGDI_MODEL_LOADING", "the model is still being loaded; ask again in a moment");
  };
  const describe = (student: ServedStudent) => ({
    id: student.id,
    object: "model" as const,
    created: student.created,
    owned_by: "magdi",
    context_length: student.engine.contextLength,
    max_samples: Math.min(config.maxSamples, student.engine.maxSamplesPerRequest),
    manifest: { ...student.manifest },
  });

  app.get(
    "/v1/models",
    {
      schema: {
        summary: "The served students",
        response: { 200: modelList },
      },
    },
    async () => ({ object: "list" as const, data: [describe(loaded())] }),
  );

  app.get(
    "/v1/models/:id",
    {
      schema: {
        summary: "One served student",
        params: z.object({ id: z.string().describe("The model's id.") }),
        response: { 200: model },
      },
    },
    async (request) => {
      const student = loaded();
      assertServes(student, request.params.id);
      return describe(student);
    },
  );
};
