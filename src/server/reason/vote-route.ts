// POST /v1/vote: a vote over texts generated elsewhere. It needs no student.
import type { FastifyPluginAsyncZod } from "fastify-type-provider-zod";
import { voteOnTexts } from "../../asking/vote-texts.ts";
import { MagdiError } from "../../base/errors.ts";
import type { RouteOptions } from "../app-context.ts";
import { type VoteResponse, voteRequest, voteResponse } from "./vote-schema.ts";

const DESCRIPTION = `Reads the answers of texts that any model wrote and votes over them, exactly as \`/v1/reason\` does with
its samples. A text without a readable answer has no vote. For the rate limit it counts as one request.`;

export const voteRoute: FastifyPluginAsyncZod<RouteOptions> = async (app, { turns }) => {
  app.post(
    "/v1/vote",
    {
      config: { limited: true },
      schema: {
        operationId: "vote",
        tags: ["Reasoning"],
        summary: "Vote over given texts",
        description: DESCRIPTION,
        body: voteRequest,
        response: { 200: voteResponse },
      },
    },
    async ({ body, caller, raw }): Promise<VoteResponse> => {
      const pause = async () => {
        const isThere = await turns.take(caller.account, () => raw.socket.destroyed);
        if (!isThere) throw new MagdiError("MAGDI_CANCELLED", "the client is gone");
      };
      const { votes, samples, ...vote } = await voteOnTexts(body, pause);
      return { ...vote, votes: [...votes], samples: [...samples] };
    },
  );
};
