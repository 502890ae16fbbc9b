// POST /v1/debate: has the agents debate a question, whole or streamed; GET /v1/agents: who they are.
import type { FastifyPluginAsyncZod } from "fastify-type-provider-zod";
import { z } from "zod";
import type { RouteOptions } from "../app-context.ts";
import { answerStreamed, answerWhole, enterUntilClosed } from "../inference-route.ts";
import { errorFrame } from "../reason/frames.ts";
import { answerDebate } from "./answer-debate.ts";
import { DEBATE_FRAMES } from "./debate-frames.ts";
import { type AgentList, agentList, debateRequest, debateResponse } from "./debate-schema.ts";

const DESCRIPTION = `Has the server's agents, which are other models, debate a question: each answers alone, then hears the
others round by round until they agree. The question, its choices and its passage are sent to the agents' endpoints. With
\`stream\`, what happens is sent as server-sent events named by frame type, ending with \`data: [DONE]\`. When the client goes
away, running calls are given up. Tokens and dollars are what the agents report, failed attempts included. Only for servers
with agents, and keys with the right \`debate\`.`;

const AGENTS_DESCRIPTION = `The agents of \`POST /v1/debate\`, and what this caller may have them do.`;

export const debateRoute: FastifyPluginAsyncZod<RouteOptions> = async (app, { context }) => {
  const { config, lifecycle } = context;
  app.post(
    "/v1/debate",
    {
      config: {
        limited: true,
        debate: true,
        right: "debate",
        eventStream: z.discriminatedUnion("type", [...DEBATE_FRAMES, errorFrame]),
        errors: [
          "MAGDI_NO_AGENTS",
          "MAGDI_DEBATE_BUDGET",
          "MAGDI_QUEUE_FULL",
          "MAGDI_QUEUE_TIMEOUT",
          "MAGDI_AGENTS_FAILED",
          "MAGDI_SHUTTING_DOWN",
        ],
      },
      schema: {
        operationId: "debate",
        tags: ["Reasoning"],
        summary: "Have agents debate a question",
        description: DESCRIPTION,
        body: debateRequest(config.debateRounds),
        response: { 200: debateResponse },
      },
    },
    async (request, reply) => {
      lifecycle.assertTakesWork();
      enterUntilClosed(context, reply);
      const { body, caller } = request;
      if (!body.stream) return answerWhole(reply, answerDebate(context, caller, body));
      return answerStreamed(reply, {
        context,
        start: (stream) => answerDebate(context, caller, body, (frame) => stream.send(frame, frame.type)),
        sendError: (stream, { error }, id) => stream.send({ type: "error", id, error }, "error"),
      });
    },
  );

  app.get(
    "/v1/agents",
    {
      schema: {
        operationId: "listAgents",
        tags: ["Models"],
        summary: "List the agents that debate",
        description: AGENTS_DESCRIPTION,
        response: { 200: agentList },
      },
    },
    async ({ caller }): Promise<AgentList> => {
      const { debates } = context;
      const left = debates?.budget.left(caller.account);
      return {
        object: "list",
        data: (debates?.team.agents ?? []).map(
          ({ name, model, usdPerMillionInput, usdPerMillionOutput }) => ({
            ...{ name, model },
            usd_per_million_input: usdPerMillionInput,
            usd_per_million_output: usdPerMillionOutput,
          }),
        ),
        rounds: config.debateRounds,
        timeout_ms: config.debateTimeoutMs,
        allowed: debates !== null && caller.rights.includes("debate"),
        budget: { usd_left: left?.usd ?? null, tokens_left: left?.tokens ?? null },
      };
    },
  );
};
