// POST /v1/vote: reads and counts the answers of texts that somebody else generated. It needs no student.
import type { FastifyPluginAsyncZod } from "fastify-type-provider-zod";
import { voteOnTexts } from "../../asking/vote-texts.ts";
import type { RouteOptions } from "../serving-context.ts";
import { type VoteResponse, voteRequest, voteResponse } from "./vote-schema.ts";

const DESCRIPTION = `The answers of texts that other models wrote, read and compared by value as those of a student's own
samples are. The task is told as \`/v1/reason\` tells it. A text without an answer has no vote.`;

export const voteRoute: FastifyPluginAsyncZod<RouteOptions> = async (app) => {
  app.post(
    "/v1/vote",
    {
      schema: {
        operationId: "vote",
        tags: ["Reasoning"],
        summary: "Vote over the answers of given texts",
        description: DESCRIPTION,
        body: voteRequest,
        response: { 200: voteResponse },
      },
    },
    async ({ body }): Promise<VoteResponse> => {
      const { votes, samples, ...vote } = await voteOnTexts(body);
      return { ...vote, votes: [...votes], samples: [...samples] };
    },
  );
};
