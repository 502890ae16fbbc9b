// GET /v1/models and /v1/models/{id}: what is served, with its manifest.
import type { FastifyPluginAsyncZod } from "fastify-type-provider-zod";
import { z } from "zod";
import { MagdiError } from "../../base/errors.ts";
import { assertServes, type ServedStudent } from "../served-student.ts";
import type { RouteOptions } from "../serving-context.ts";
import { model, modelList } from "./model-schema.ts";

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
      config: { errors: ["MAGDI_MODEL_LOADING"] },
      schema: {
        operationId: "listModels",
        tags: ["Models"],
        summary: "The served students",
        description: "OpenAI's list of models, each with its limits and the manifest of its folder.",
        response: { 200: modelList },
      },
    },
    async () => ({ object: "list" as const, data: [describe(loaded())] }),
  );

  app.get(
    "/v1/models/:id",
    {
      config: { errors: ["MAGDI_MODEL_LOADING", "MAGDI_UNKNOWN_MODEL"] },
      schema: {
        operationId: "getModel",
        tags: ["Models"],
        summary: "One served student",
        description: "OpenAI's model object, with the student's limits and the manifest of its folder.",
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
