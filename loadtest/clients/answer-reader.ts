// Reads one streamed answer event by event: time to first token, inter-token times, and the answer.
import { z } from "zod";
import { reasonResponse } from "../../src/server/reason/schema.ts";
import type { Answer } from "../requests/exchange.ts";
import type { Kind } from "../requests/order.ts";

const usage = z.object({
  prompt_tokens: z.number(),
  completion_tokens: z.number(),
  prompt_tokens_details: z.object({ cached_tokens: z.number() }).optional(),
});
const choice = z.object({ index: z.number(), finish_reason: z.string().nullable() });
const completionBody = z.object({ choices: z.array(choice), usage });
const chunkBody = z.object({
  choices: z.array(
    choice.extend({
      text: z.string().optional(),
      delta: z.object({ content: z.string().nullish() }).optional(),
      logprobs: z.unknown().optional(),
    }),
  ),
  usage: usage.nullish(),
});
const failure = z.object({ error: z.object({ type: z.string(), code: z.string().nullable() }) });
const frame = z.object({ type: z.string(), sample: z.number().optional() });

/** Parses the body of a whole answer. @throws ZodError */
export function readWhole(kind: Kind, body: string): Answer {
  const json: unknown = JSON.parse(body);
  if (kind === "reason") return { type: "reason", response: reasonResponse.parse(json) };
  if (kind === "tokenize") return { type: "other" };
  const { choices, usage } = completionBody.parse(json);
  return completionOf(
    usage,
    choices.map(({ finish_reason }) => finish_reason),
  );
}

function completionOf(counts: z.output<typeof usage>, reasons: readonly (string | null)[]): Answer {
  return {
    type: "completion",
    completion: {
      promptTokens: counts.prompt_tokens,
      cachedTokens: counts.prompt_tokens_details?.cached_tokens ?? 0,
      completionTokens: counts.completion_tokens,
      finishReasons: reasons.map((reason) => reason ?? "none"),
    },
  };
}

export class AnswerReader {
  readonly #question: boolean;
  readonly #startMs: number;
  readonly #lastTokenMs = new Map<number, number>();
  readonly #finishReasons: (string | null)[] = [];
  readonly gapsMs: number[] = [];
  firstTokenMs: number | null = null;
  /** True from the first event on, such as "accepted". */
  begun = false;
  answer: Answer | null = null;
  /** The code of an error event. */
  error: string | null = null;

  constructor(kind: Kind, startMs: number) {
    this.#question = kind.startsWith("reason");
    this.#startMs = startMs;
  }

  /** Takes one event's JSON, received at `nowMs`. @throws ZodError for an unexpected event */
  push(json: unknown, nowMs: number): void {
    this.begun = true;
    const failed = failure.safeParse(json);
    if (failed.success) this.error = failed.data.error.code ?? failed.data.error.type;
    else if (this.#question) this.#frame(json, nowMs);
    else this.#chunk(json, nowMs);
  }

  #frame(json: unknown, nowMs: number): void {
    const { type, sample = 0 } = frame.parse(json);
    if (type === "token") this.#token(sample, nowMs);
    else if (type === "result") this.answer = { type: "reason", response: reasonResponse.parse(json) };
  }

  #chunk(json: unknown, nowMs: number): void {
    const { choices, usage: counts } = chunkBody.parse(json);
    for (const { index, text, delta, logprobs, finish_reason } of choices) {
      const said = text ?? delta?.content ?? "";
      if (said !== "" || (logprobs !== undefined && logprobs !== null)) this.#token(index, nowMs);
      if (finish_reason !== null) this.#finishReasons[index] = finish_reason;
    }
    if (counts) this.answer = completionOf(counts, [...this.#finishReasons]);
  }

  #token(sample: number, nowMs: number): void {
    this.firstTokenMs ??= nowMs - this.#startMs;
    const before = this.#lastTokenMs.get(sample);
    if (before !== undefined) this.gapsMs.push(nowMs - before);
    this.#lastTokenMs.set(sample, nowMs);
  }
}
