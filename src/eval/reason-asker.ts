// Asks a magdi server over POST /v1/reason.

import { MagdiError } from "../base/errors.ts";
import type { Model } from "../client/api-types.ts";
import { MagdiApiError } from "../client/client-error.ts";
import { MagdiClient, type MagdiClientOptions } from "../client/magdi-client.ts";
import { type Answered, type Asker, type ModelIdentity, UNKNOWN_IDENTITY } from "./asker.ts";
import type { Question } from "./question-formats.ts";
import { retryingFetch } from "./retrying-fetch.ts";
import { type EvalSettings, maxTokensOf } from "./settings.ts";

/** Enough for a full batch and a queue behind it. */
const SAMPLES_IN_FLIGHT = 64;
/** So that a busy server is waited for. */
const MAX_RETRIES = 1000;

export interface ServerOptions {
  readonly baseUrl: string;
  readonly apiKey: string | null;
  /** Null for the first that the server lists. */
  readonly modelName: string | null;
  /** Questions at once; null for as many as fill a batch. */
  readonly concurrency: number | null;
}

export function clientOptions({
  baseUrl,
  apiKey,
}: ServerOptions): MagdiClientOptions & { readonly fetch: typeof fetch } {
  return {
    baseUrl: baseUrl.replace(/\/+$/, "").replace(/\/v1$/, ""),
    ...(apiKey === null ? {} : { apiKey }),
    fetch: retryingFetch(),
    maxRetries: MAX_RETRIES,
    timeoutMs: 3_600_000,
  };
}

/** @throws MagdiApiError, MagdiConnectionError, MagdiError MAGDI_UNKNOWN_MODEL */
export async function openReasonAsker(options: ServerOptions, settings: EvalSettings): Promise<Asker> {
  const client = new MagdiClient(clientOptions(options));
  const models = await client.models();
  const served = options.modelName === null ? models[0] : models.find(({ id }) => id === options.modelName);
  if (served === undefined) {
    throw new MagdiError(
      "MAGDI_UNKNOWN_MODEL",
      `--model-name: expected one of ${models.map(({ id }) => id).join(", ")}, found ${options.modelName}`,
    );
  }
  return {
    model: identityOf(served),
    concurrency: (samples) => options.concurrency ?? Math.max(1, Math.ceil(SAMPLES_IN_FLIGHT / samples)),
    ask: (question, seed, signal) => ask(client, served.id, question, settings, seed, signal),
    close: async () => {},
  };
}

/** Only hashes that the server has compared with its files. */
function identityOf({ id, manifest, checked_files: checked = [] }: Model): ModelIdentity {
  const { dtype, files } = manifest;
  const hashes: Record<string, string> = {};
  for (const [name, file] of Object.entries(files ?? {})) {
    const isChecked = checked.includes(name);
    if (isChecked && typeof file === "object" && file !== null && "sha256" in file) {
      hashes[name] = String(file.sha256);
    }
  }
  return {
    ...UNKNOWN_IDENTITY,
    name: id,
    kind: "reason",
    dtype: typeof dtype === "string" ? dtype : null,
    files: Object.keys(hashes).length === 0 ? null : hashes,
  };
}

async function ask(
  client: MagdiClient,
  model: string,
  question: Question,
  settings: EvalSettings,
  seed: number,
  signal: AbortSignal,
): Promise<Answered> {
  const { choices, passage } = question;
  try {
    const { samples = [], usage } = await client.reason(
      {
        model,
        question: question.question,
        task: question.task,
        ...(choices === null ? {} : { choices: [...choices] }),
        ...(passage === null ? {} : { passage }),
        samples: settings.samples,
        temperature: settings.temperature,
        top_p: settings.top_p,
        top_k: settings.top_k,
        max_tokens: maxTokensOf(settings, question),
        seed,
        vote: settings.vote,
        early_stop: "off",
        return_samples: true,
      },
      { signal },
    );
    const aborted = samples.find(({ finish_reason: reason }) => reason === "abort" || reason === "cancelled");
    if (aborted !== undefined || samples.length < settings.samples) {
      throw new MagdiError(
        "MAGDI_CANCELLED",
        `${question.dataset} ${question.id}: expected ${settings.samples} whole samples, found one that the server ended; its request timeout may be too short, or it is shutting down`,
      );
    }
    return {
      promptTokens: usage.prompt_tokens,
      samples: samples.map((sample) => ({
        index: sample.index,
        text: sample.text,
        tokens: sample.tokens,
        logprobMean: sample.logprob_mean ?? Number.NaN,
        finishReason: sample.finish_reason === "length" ? "length" : "stop", // no other is left
      })),
    };
  } catch (error) {
    throw contextLength(error) ?? error;
  }
}

/** The error of a prompt that is too long, which fails this question but not the run; null for other errors. */
export function contextLength(error: unknown): MagdiError | null {
  if (!(error instanceof MagdiApiError)) return null;
  // magdi's and OpenAI's code, llama.cpp's type, and the messages of vLLM, DeepSeek and older llama.cpp.
  const isTooLong =
    error.code === "context_length_exceeded" ||
    error.type === "exceed_context_size_error" ||
    ([400, 413, 422, 500].includes(error.status ?? 0) && TOO_LONG.test(error.message));
  return isTooLong ? new MagdiError("MAGDI_CONTEXT_LENGTH", error.message, { cause: error }) : null;
}

const TOO_LONG =
  /maximum context length|(?:exceeds?|longer than) (?:the |its )?(?:available |maximum |model's )*context|context (?:size|window|length)\b.{0,40}\bexceed/i;
