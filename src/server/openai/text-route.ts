// POST /v1/completions, OpenAI's older kind: plain text or token ids go on, whole or streamed.
import type { FastifyPluginAsyncZod } from "fastify-type-provider-zod";
import { withinContext } from "../../asking/prompt-tokens.ts";
import { MagdiError } from "../../base/errors.ts";
import { admit } from "../inference-route.ts";
import { assertSampleCount, assertServes, assertTokens, type ServedStudent } from "../served-student.ts";
import type { RouteOptions } from "../serving-context.ts";
import { answerCompletion } from "./completion.ts";
import { textShape } from "./completion-shape.ts";
import { openAiSampling } from "./sampling.ts";
import {
  type TextCompletionRequest,
  textCompletion,
  textCompletionChunk,
  textCompletionRequest,
} from "./text-schema.ts";

const DESCRIPTION = `OpenAI's older completions: one prompt or several go on as they are, without a chat template. With
\`stream\`, each event's data is a chunk, and the last is \`[DONE]\`; a failure after the stream has begun is an event with
an \`error\`.`;

/** OpenAI's own default. */
const DEFAULT_MAX_TOKENS = 16;

export const completionsRoute: FastifyPluginAsyncZod<RouteOptions> = async (app, { context, config }) => {
  app.post(
    "/v1/completions",
    {
      config: { inference: true, eventStream: textCompletionChunk },
      schema: {
        operationId: "createCompletion",
        tags: ["OpenAI"],
        summary: "Complete a text (OpenAI)",
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
      if ((body.best_of ?? n) !== n) throw refused("best_of", `expected n, which is ${n}, or none`);
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
        throw refused("prompt", `expected at most ${config.queueSamples} samples in all, found ${found}`);
      }
      student.engine.assertRoom(samples);
      const batch = Array.isArray(body.prompt) && prompts.length > 1;
      return answerCompletion(reply, context, config, student, body.stream ?? false, {
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
  // A list is either of tokens, and then one prompt, or of prompts: the schema lets no mixture through.
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

/** Encodes one prompt of a batch after another; other requests have a turn between two. */
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

function refused(param: string, message: string): MagdiError {
  return new MagdiError("MAGDI_BAD_REQUEST", `${param}: ${message}`, { param });
}
