// POST /v1/chat/completions, OpenAI's chat completions, whole or streamed.
import type { FastifyPluginAsyncZod } from "fastify-type-provider-zod";
import { withinContext } from "../../asking/prompt-tokens.ts";
import { badField } from "../../asking/sampling.ts";
import { encodeChat } from "../../text/chat-prompt.ts";
import type { RouteOptions } from "../app-context.ts";
import { generationLimits } from "../generation-meter.ts";
import { admit } from "../inference-route.ts";
import { assertSampleCount, assertServes, messagesOf } from "../served-student.ts";
import {
  type ChatCompletionRequest,
  chatCompletion,
  chatCompletionChunk,
  chatCompletionRequest,
} from "./chat-schema.ts";
import { answerCompletion } from "./completion.ts";
import { chatShape } from "./response-format.ts";
import { openAiSampling } from "./sampling.ts";

const DESCRIPTION = `OpenAI's chat completions, with vLLM's \`top_k\`, \`min_p\`, \`min_tokens\` and \`ignore_eos\`. Fields
that would change the answer and are not implemented are rejected by name; unknown ones are ignored. With \`stream\`, chunks are
sent as server-sent events, ending with \`[DONE]\`; an error after the stream has begun is an event with an \`error\`.`;

export const chatCompletionsRoute: FastifyPluginAsyncZod<RouteOptions> = async (app, { context }) => {
  app.post(
    "/v1/chat/completions",
    {
      config: { inference: true, eventStream: chatCompletionChunk },
      schema: {
        operationId: "createChatCompletion",
        tags: ["OpenAI"],
        summary: "Create a chat completion (OpenAI)",
        description: DESCRIPTION,
        body: chatCompletionRequest(context.config.maxSamples),
        response: { 200: chatCompletion },
      },
      serializerCompiler: () => JSON.stringify,
    },
    async (request, reply) => {
      const { body } = request;
      const student = admit(context, reply);
      assertServes(student, body.model);
      const sampling = openAiSampling(body, {
        maxTokens: body.max_completion_tokens ?? body.max_tokens ?? student.engine.contextLength,
        topLogprobs: topLogprobs(body),
        vocabSize: student.tokenizer.vocabSize,
      });
      const n = body.n ?? 1;
      assertSampleCount(student, n, "n");
      student.engine.assertRoom(n, generationLimits(context, request.caller).caller);
      return answerCompletion(reply, context, student, body.stream ?? false, {
        caller: request.caller,
        trace: request.trace,
        shape: chatShape(student.tokenizer),
        prompts: [
          withinContext(student.engine, "messages", (atMost) =>
            encodeChat(student, messagesOf(body.messages), { atMost }),
          ),
        ],
        promptParam: "messages",
        n,
        sampling,
        includeUsage: body.stream_options?.include_usage ?? false,
        head: body.service_tier ? { service_tier: "default" } : {},
      });
    },
  );
};

function topLogprobs(body: ChatCompletionRequest): number | null {
  if (body.logprobs) return body.top_logprobs ?? 0;
  if (!body.top_logprobs) return null;
  throw badField("top_logprobs", "requires logprobs: true");
}
