// GET /v1/baselines: the debate costs that answers are compared with, and their sources.
import type { FastifyPluginAsyncZod } from "fastify-type-provider-zod";
import type { Baseline } from "../../voting/baselines.ts";
import type { RouteOptions } from "../app-context.ts";
import { type BaselineList, baselineList } from "./baselines-schema.ts";

const MEAN = "mean";

const DESCRIPTION = `Mean tokens that a multi-agent debate of large models spends on one question. An answer's \`comparison\`
uses the baseline that the request names, or its task's.`;

export const baselinesRoute: FastifyPluginAsyncZod<RouteOptions> = async (app, { context }) => {
  app.get(
    "/v1/baselines",
    {
      schema: {
        operationId: "listBaselines",
        tags: ["Models"],
        summary: "List the debate costs that answers are compared with",
        description: DESCRIPTION,
        response: { 200: baselineList },
      },
    },
    async (): Promise<BaselineList> => {
      const data = context.baselines.all().map(described);
      return { object: "list", data, mean: data.find(({ name }) => name === MEAN) ?? null };
    },
  );
};

function described({ name, tasks, tokens, studentTokens, source }: Baseline): BaselineList["data"][number] {
  const ratio = studentTokens === null ? null : Math.round((tokens / studentTokens) * 100) / 100;
  return { name, tasks: [...tasks], tokens, student_tokens: studentTokens, ratio, source };
}
