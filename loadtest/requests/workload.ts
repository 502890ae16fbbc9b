// Generates requests from a seed: the same seed and number give the same request.
import { sampleRandom } from "../../src/engine/random.ts";
import { type Kind, type Order, PATHS } from "./order.ts";
import questions from "./questions.json" with { type: "json" };

interface Question {
  readonly question: string;
  readonly task?: string;
  readonly choices?: readonly string[];
}

export interface OrderShape {
  /** Default 1. */
  readonly samples?: number;
  readonly maxTokens: number;
  /** Go on after an end of text; OpenAI's routes only. */
  readonly ignoreEos?: boolean;
  /** Alternatives reported with each token; chat only. */
  readonly topLogprobs?: number;
}

const SAMPLING_TEMPERATURE = 0.7;

export class Workload {
  readonly seed: number;
  #made = 0;

  constructor(seed: number) {
    this.seed = seed;
  }

  /** Requests made so far. */
  get made(): number {
    return this.#made;
  }

  /** One of the list with equal chances, as the next request's number says. */
  pick<T>(list: readonly T[]): T {
    const at = Math.floor(sampleRandom(this.seed, 2 * this.#made + 1).nextFloat() * list.length);
    const value = list[at];
    if (value === undefined) throw new RangeError("pick: expected a list with something in it");
    return value;
  }

  next(kind: Kind, shape: OrderShape): Order {
    const random = sampleRandom(this.seed, 2 * this.#made++);
    const list: readonly Question[] = questions;
    const asked = list[Math.floor(random.nextFloat() * list.length)] ?? { question: "What is 1 + 1?" };
    const seed = random.nextUint32();
    const samples = kind === "tokenize" ? 0 : (shape.samples ?? 1);
    return {
      kind,
      transport: kind.endsWith("-stream") ? "stream" : kind === "reason-socket" ? "socket" : "whole",
      path: PATHS[kind],
      body: kind.startsWith("reason")
        ? reasonBody(kind, asked, samples, seed, shape)
        : kind === "tokenize"
          ? { prompt: asked.question }
          : openAiBody(kind, asked, samples, seed, shape),
      samples,
    };
  }
}

function reasonBody(kind: Kind, asked: Question, samples: number, seed: number, shape: OrderShape) {
  return {
    ...asked,
    samples,
    max_tokens: shape.maxTokens,
    seed,
    return_samples: true,
    ...(kind === "reason-stream" ? { stream: true } : {}),
  };
}

function openAiBody(kind: Kind, asked: Question, samples: number, seed: number, shape: OrderShape) {
  return {
    ...(kind.startsWith("chat")
      ? { messages: [{ role: "user", content: asked.question }] }
      : { prompt: `${asked.question}\nAnswer:` }),
    n: samples,
    max_tokens: shape.maxTokens,
    seed,
    temperature: samples > 1 ? SAMPLING_TEMPERATURE : 0,
    ...(shape.ignoreEos ? { ignore_eos: true } : {}),
    ...(shape.topLogprobs === undefined ? {} : { logprobs: true, top_logprobs: shape.topLogprobs }),
    ...(kind.endsWith("-stream") ? { stream: true, stream_options: { include_usage: true } } : {}),
  };
}
