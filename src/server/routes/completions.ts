// POST /v1/completions, OpenAI's older kind: plain text or token ids go on, whole or streamed.
import type { FastifyPluginAsyncZod } from "fastify-type-provider-zod";
import { MagdiError } from "../../errors.ts";
import { answerCompletion } from "../answering/completion-route.ts";
import { textShape } from "../answering/completion-shape.ts";
import { admit } from "../answering/inference-route.ts";
import { openAiSampling } from "../answering/openai-sampling.ts";
import { type TextCompletionRequest, textCompletionRequest } from "../schemas/text-completion.ts";
import { assertServes, type ServedStudent } from "../served-student.ts";
import type { RouteOptions } from "./route-options.ts";

/** OpenAI's own default. */
const DEFAULT_MAX_TOKENS = 16;

export const completionsRoute: FastifyPluginAsyncZod<RouteOptions> = async (app, { context, config }) => {
  app.post(
    "/v1/completions",
    {
      config: { inference: true },
      schema: { summary: "Complete a text (OpenAI)", body: textCompletionRequest(config.maxSamples) },
    },
    async (request, reply) => {
      const { body } = request;
      const student = admit(context, reply);
      assertServes(student, body.model);
      const sampling = openAiSampling(body, {
        maxTokens: body.max_tokens ?? DEFAULT_MAX_TOKENS,
        topLogprobs: body.logprobs ?? null,
        vocabSize: student.tokenizer.vocabSize,
      });
      const n = body.n ?? 1;
      const prompts = promptsOf(body.prompt);
      student.engine.assertRoom(n * prompts.length);
      return answerCompletion(reply, context, config, student, body.stream ?? false, {
        caller: request.caller,
        shape: textShape(student.tokenizer),
        prompts: prompts.map((prompt) => encoded(student, prompt)),
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

function encoded(student: ServedStudent, prompt: Prompt): Int32Array {
  if (typeof prompt === "string") return student.tokenizer.encode(prompt, { addSpecialTokens: true });
  const stranger = prompt.find((id) => id >= student.tokenizer.vocabSize);
  if (stranger !== undefined) {
    throw new MagdiError(
      "MAGDI_BAD_REQUEST",
      `prompt: expected token ids below ${student.tokenizer.vocabSize}, found ${stranger}`,
      { param: "prompt" },
    );
  }
  return Int32Array.from(prompt);
}
