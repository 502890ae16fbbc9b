// Asks any server with OpenAI's POST /v1/chat/completions, one request per sample: many servers do not support `n`, and
// none reports the tokens of each choice. Sampling fields that the server rejects are left out and reported.

import { z } from "zod";
import { renderPrompt } from "../asking/prompts.ts";
import { MagdiError } from "../base/errors.ts";
import { MagdiApiError } from "../client/client-error.ts";
import { HttpTransport, waitMs } from "../client/http-transport.ts";
import type { FinishedSample } from "../voting/voter.ts";
import { type Asker, UNKNOWN_IDENTITY } from "./asker.ts";
import type { Question } from "./question-formats.ts";
import { clientOptions, contextLength, type ServerOptions } from "./reason-asker.ts";
import { type EvalSettings, maxTokensOf } from "./settings.ts";

const SAMPLES_IN_FLIGHT = 64;

/** Fields that not every server accepts, in the order in which they are tried. */
const OPTIONAL = ["temperature", "top_p", "seed", "top_k", "logprobs"] as const;
type Optional = (typeof OPTIONAL)[number];

function fieldValues({ temperature, top_p, top_k }: EvalSettings, seed: number): Record<Optional, unknown> {
  return { temperature, top_p, seed, top_k, logprobs: true };
}

const modelList = z.object({ data: z.array(z.object({ id: z.string() })).min(1) });
const completion = z.object({
  choices: z
    .array(
      z.object({
        message: z.object({ content: z.string().nullish() }),
        finish_reason: z.string().nullish(),
        logprobs: z.object({ content: z.array(z.object({ logprob: z.number() })).nullish() }).nullish(),
      }),
    )
    .min(1),
  usage: z.object({ prompt_tokens: z.number().nullish(), completion_tokens: z.number().nullish() }).nullish(),
});

/** @throws MagdiApiError, MagdiConnectionError, MagdiError MAGDI_UNSUPPORTED for responses of another shape */
export async function openChatAsker(options: ServerOptions, settings: EvalSettings): Promise<Asker> {
  const { baseUrl, fetch, maxRetries = 0, timeoutMs = 0 } = clientOptions(options);
  const http = new HttpTransport({
    baseUrl,
    apiKey: options.apiKey,
    fetch,
    timeoutMs,
    maxRetries,
    maxRetryDelayMs: 300_000,
    jitter: Math.random,
    wait: waitMs,
  });
  const model = options.modelName ?? (await firstModel(http));
  const call = async (body: object, signal?: AbortSignal) =>
    parsed(completion, await http.json({ method: "POST", path: "/v1/chat/completions", body }, signal));
  const known = await knownFields(model, call, fieldValues(settings, 1));
  const sample = async (question: Question, seed: number, index: number, signal: AbortSignal) => {
    const fields = fieldValues(settings, seed + index);
    const { choices, usage } = await call(
      {
        model,
        messages: renderPrompt(question),
        [known.maxTokens]: maxTokensOf(settings, question),
        ...Object.fromEntries(known.fields.map((name) => [name, fields[name]])),
      },
      signal,
    );
    const [{ message, finish_reason: reason, logprobs }] = choices as [(typeof choices)[number]]; // one, by the schema
    const scores = logprobs?.content ?? [];
    const tokens = usage?.completion_tokens ?? (scores.length === 0 ? Number.NaN : scores.length);
    const finished: FinishedSample = {
      index,
      text: message.content ?? "",
      tokens,
      logprobMean:
        scores.length === 0
          ? Number.NaN
          : scores.reduce((sum, { logprob }) => sum + logprob, 0) / scores.length,
      finishReason: reason === "length" ? "length" : "stop",
    };
    return { finished, promptTokens: usage?.prompt_tokens ?? null };
  };
  return {
    model: {
      ...UNKNOWN_IDENTITY,
      name: model,
      kind: "chat",
      left_out: OPTIONAL.filter((name) => !known.fields.includes(name)),
    },
    concurrency: (samples) => options.concurrency ?? Math.max(1, Math.ceil(SAMPLES_IN_FLIGHT / samples)),
    async ask(question, seed, signal) {
      try {
        const indices = Array.from({ length: settings.samples }, (_, index) => index);
        const all = await Promise.all(indices.map((index) => sample(question, seed, index, signal)));
        return { samples: all.map(({ finished }) => finished), promptTokens: all[0]?.promptTokens ?? null };
      } catch (error) {
        throw contextLength(error) ?? error;
      }
    },
    close: async () => {},
  };
}

async function firstModel(http: HttpTransport): Promise<string> {
  const { data } = parsed(modelList, await http.json({ method: "GET", path: "/v1/models" }, undefined));
  return data[0]?.id ?? "";
}

interface KnownFields {
  readonly maxTokens: "max_tokens" | "max_completion_tokens";
  readonly fields: readonly Optional[];
}

/** Finds out with requests for one token which fields the server accepts. */
async function knownFields(
  model: string,
  call: (body: object) => Promise<unknown>,
  values: Readonly<Record<Optional, unknown>>,
): Promise<KnownFields> {
  const accepts = async (
    maxTokens: KnownFields["maxTokens"],
    fields: readonly Optional[],
  ): Promise<unknown> => {
    const extra = Object.fromEntries(fields.map((name) => [name, values[name]]));
    const messages = [{ role: "user", content: "Say yes." }];
    try {
      await call({ model, messages, [maxTokens]: 1, ...extra });
      return null;
    } catch (error) {
      // 422 is FastAPI's status for an invalid body.
      if (error instanceof MagdiApiError && (error.status === 400 || error.status === 422)) return error;
      throw error;
    }
  };
  if ((await accepts("max_tokens", OPTIONAL)) === null) return { maxTokens: "max_tokens", fields: OPTIONAL };
  const refused = await accepts("max_tokens", []);
  const maxTokens = refused === null ? "max_tokens" : "max_completion_tokens";
  if (refused !== null && (await accepts(maxTokens, [])) !== null) throw refused;
  const fields: Optional[] = [];
  for (const name of OPTIONAL) if ((await accepts(maxTokens, [...fields, name])) === null) fields.push(name);
  return { maxTokens, fields };
}

function parsed<T>(schema: z.ZodType<T>, body: unknown): T {
  const result = schema.safeParse(body);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw new MagdiError(
    "MAGDI_UNSUPPORTED",
    `the server's response: expected OpenAI's format, found at ${issue?.path.join(".")}: ${issue?.message}`,
  );
}
