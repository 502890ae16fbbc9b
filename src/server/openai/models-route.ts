// GET /v1/models and /v1/models/{id}: the served student, with its limits and manifest.
import type { FastifyPluginAsyncZod } from "fastify-type-provider-zod";
import { z } from "zod";
import type { MemoryPlan } from "../../engine/memory-plan.ts";
import type { RouteOptions } from "../app-context.ts";
import { assertServes, type ServedStudent } from "../served-student.ts";
import { model, modelList } from "./model-schema.ts";

const memoryOf = ({ available, batchRows, rowBudget, prefixCacheTokens }: MemoryPlan) => ({
  available_bytes: available.bytes,
  batch_rows: batchRows,
  row_tokens: rowBudget?.tokens ?? null,
  prefix_cache_tokens: prefixCacheTokens,
});

export const modelsRoute: FastifyPluginAsyncZod<RouteOptions> = async (app, { context }) => {
  const describe = (student: ServedStudent) => ({
    id: student.id,
    object: "model" as const,
    created: student.created,
    owned_by: "magdi",
    context_length: student.engine.contextLength,
    max_samples: Math.min(context.config.maxSamples, student.engine.maxSamplesPerRequest),
    ...(student.memory === undefined ? {} : { memory: memoryOf(student.memory) }),
    manifest: { ...student.manifest },
    checked_files: [...(student.files?.checked ?? [])],
  });

  app.get(
    "/v1/models",
    {
      config: { errors: ["MAGDI_MODEL_LOADING"] },
      schema: {
        operationId: "listModels",
        tags: ["Models"],
        summary: "List the served models",
        description: "OpenAI's model list; each model also has its limits and the student folder's manifest.",
        response: { 200: modelList },
      },
    },
    async () => ({ object: "list" as const, data: [describe(context.lifecycle.requireLoaded())] }),
  );

  app.get(
    "/v1/models/:id",
    {
      config: { errors: ["MAGDI_MODEL_LOADING", "MAGDI_UNKNOWN_MODEL"] },
      schema: {
        operationId: "getModel",
        tags: ["Models"],
        summary: "One served model",
        description: "OpenAI's model object, also with the student's limits and manifest.",
        params: z.object({ id: z.string().describe("The model's id.") }),
        response: { 200: model },
      },
    },
    async (request) => {
      const student = context.lifecycle.requireLoaded();
      assertServes(student, request.params.id);
      return describe(student);
    },
  );
};
