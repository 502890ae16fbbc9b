// POST /v1/completions, OpenAI's text completions: continues text or token ids without a chat template, whole or streamed.
import type { FastifyPluginAsyncZod } from "fastify-type-provider-zod";
import { withinContext } from "../../asking/prompt-tokens.ts";
import { badField } from "../../asking/sampling.ts";
import type { RouteOptions } from "../app-context.ts";
import { generationLimits } from "../generation-meter.ts";
import { admit } from "../inference-route.ts";
import { assertSampleCount, assertServes, assertTokens, type ServedStudent } from "../served-student.ts";
import { answerCompletion } from "./completion.ts";
import {
  type TextCompletionRequest,
  textCompletion,
  textCompletionChunk,
  textCompletionRequest,
} from "./completions-schema.ts";
import { textShape } from "./response-format.ts";
import { openAiSampling } from "./sampling.ts";

const DESCRIPTION = `OpenAI's legacy completions: continues one prompt or a batch of them, without a chat template. With
\`stream\`, chunks are sent as server-sent events, ending with \`[DONE]\`; an error after the stream has begun is an event
with an \`error\`.`;

/** OpenAI's default. */
const DEFAULT_MAX_TOKENS = 16;

export const completionsRoute: FastifyPluginAsyncZod<RouteOptions> = async (app, { context }) => {
  const { config } = context;
  app.post(
    "/v1/completions",
    {
      config: { inference: true, eventStream: textCompletionChunk },
      schema: {
        operationId: "createCompletion",
        tags: ["OpenAI"],
        summary: "Create a completion (OpenAI)",
        description: DESCRIPTION,
        body: textCompletionRequest(config.maxSamples),
        response: { 200: textCompletion },
      },
      serializerCompiler: () => JSON.stringify,
    },
    async (request, reply) => {
      const { body } = request;
      const student = admit(context, reply);
      assertServes(student, body.model);
      const n = body.n ?? 1;
      if ((body.best_of ?? n) !== n) throw badField("best_of", `expected the value of n (${n}), or none`);
      const sampling = openAiSampling(body, {
        maxTokens: body.max_tokens ?? DEFAULT_MAX_TOKENS,
        topLogprobs: body.logprobs ?? null,
        vocabSize: student.tokenizer.vocabSize,
      });
      assertSampleCount(student, n, "n");
      const prompts = promptsOf(body.prompt);
      const samples = n * prompts.length;
      if (samples > config.queueSamples) {
        const found = `${prompts.length} prompts with n = ${n}`;
        throw badField("prompt", `expected at most ${config.queueSamples} samples in total, found ${found}`);
      }
      student.engine.assertRoom(samples, generationLimits(context, request.caller).caller);
      const batch = Array.isArray(body.prompt) && prompts.length > 1;
      return answerCompletion(reply, context, student, body.stream ?? false, {
        caller: request.caller,
        trace: request.trace,
        shape: textShape(student.tokenizer),
        prompts: await encodeBatch(prompts, (prompt, index) =>
          encoded(student, prompt, batch ? `prompt[${index}]` : "prompt"),
        ),
        promptParam: "prompt",
        n,
        sampling,
        includeUsage: body.stream_options?.include_usage ?? false,
      });
    },
  );
};

type Prompt = string | readonly number[];

function promptsOf(prompt: TextCompletionRequest["prompt"]): readonly Prompt[] {
  if (typeof prompt === "string") return [prompt];
  // A list of token ids is one prompt; otherwise it is a list of prompts. The schema rejects mixtures.
  const items: readonly (number | Prompt)[] = prompt;
  const tokens = items.filter((item) => typeof item === "number");
  return tokens.length > 0 ? [tokens] : items.filter((item) => typeof item !== "number");
}

function encoded(student: ServedStudent, prompt: Prompt, where: string): Int32Array {
  if (typeof prompt === "string") {
    return withinContext(student.engine, where, (atMost) =>
      student.tokenizer.encode(prompt, { addSpecialTokens: true, atMost }),
    );
  }
  assertTokens(student, prompt, where);
  return Int32Array.from(prompt);
}

/** Encodes the prompts of a batch, yielding to the event loop after each. */
async function encodeBatch(
  prompts: readonly Prompt[],
  encode: (prompt: Prompt, index: number) => Int32Array,
): Promise<Int32Array[]> {
  const encoded: Int32Array[] = [];
  for (const [index, prompt] of prompts.entries()) {
    if (index > 0) await new Promise(setImmediate);
    encoded.push(encode(prompt, index));
  }
  return encoded;
}
