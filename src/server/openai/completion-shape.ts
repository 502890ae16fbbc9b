// How chat and text completions look on OpenAI's wire: choices and deltas. It knows neither engine nor transport.
import type { FinishReason } from "../../base/finish-reason.ts";
import type { SampleResult, TokenLogprob } from "../../engine/request.ts";
import type { Tokenizer } from "../../text/tokenizer.ts";
import { completionFinishReason } from "../wire-finish-reason.ts";
import type { ChatCompletion, ChatCompletionChunk } from "./chat-schema.ts";
import { chatLogprobs, TextLogprobWriter } from "./logprobs.ts";
import type { TextCompletion, TextCompletionChunk } from "./text-schema.ts";

/** What a body and all its chunks begin with. */
export type CompletionHead = Omit<ChatCompletion, "object" | "choices" | "usage">;

export interface CompletionShape<Body extends ChatCompletion | TextCompletion> {
  readonly operation: "chat" | "text_completion";
  readonly idPrefix: string;
  readonly chunkObject: string;
  /** Whether a choice goes on with the prompt's text, as Transformers and vLLM have it, or is a message of its own. */
  readonly continuesText: boolean;
  /** The samples are in the order of their choices. */
  whole(head: CompletionHead, samples: readonly SampleResult[], usage: Body["usage"]): Body;
  /** The first delta of a choice, where there is one. */
  opening(index: number): object | null;
  /** Null when there is nothing to say. */
  delta(index: number, text: string, detail: TokenLogprob | null): object | null;
  closing(index: number, finishReason: FinishReason): object;
}

export function chatShape(tokenizer: Tokenizer): CompletionShape<ChatCompletion> {
  type Delta = ChatCompletionChunk["choices"][number];
  return {
    operation: "chat",
    idPrefix: "chatcmpl",
    chunkObject: "chat.completion.chunk",
    continuesText: false,
    whole: (head, samples, usage) => ({
      ...head,
      object: "chat.completion",
      choices: samples.map((sample, index) => ({
        index,
        message: { role: "assistant", content: sample.text, refusal: null },
        logprobs: sample.logprobs === null ? null : chatLogprobs(tokenizer, sample.logprobs),
        finish_reason: completionFinishReason(sample.finishReason),
      })),
      usage,
    }),
    opening: (index): Delta => ({
      index,
      delta: { role: "assistant", content: "" },
      logprobs: null,
      finish_reason: null,
    }),
    delta(index, text, detail): Delta | null {
      const logprobs =
        detail === null || isHidden(tokenizer, detail) ? null : chatLogprobs(tokenizer, [detail]);
      if (text === "" && logprobs === null) return null;
      return { index, delta: { content: text }, logprobs, finish_reason: null };
    },
    closing: (index, finishReason): Delta => ({
      index,
      delta: {},
      logprobs: null,
      finish_reason: completionFinishReason(finishReason),
    }),
  };
}

export function textShape(tokenizer: Tokenizer): CompletionShape<TextCompletion> {
  type Delta = TextCompletionChunk["choices"][number];
  const writers = new Map<number, TextLogprobWriter>();
  const writerOf = (index: number) => {
    const writer = writers.get(index) ?? new TextLogprobWriter(tokenizer);
    writers.set(index, writer);
    return writer;
  };
  return {
    operation: "text_completion",
    idPrefix: "cmpl",
    chunkObject: "text_completion",
    continuesText: true,
    whole: (head, samples, usage) => ({
      ...head,
      object: "text_completion",
      choices: samples.map((sample, index) => ({
        index,
        text: sample.text,
        logprobs: sample.logprobs === null ? null : new TextLogprobWriter(tokenizer).next(sample.logprobs),
        finish_reason: completionFinishReason(sample.finishReason),
      })),
      usage,
    }),
    opening: () => null,
    delta(index, text, detail): Delta | null {
      const logprobs = detail === null || isHidden(tokenizer, detail) ? null : writerOf(index).next([detail]);
      if (text === "" && logprobs === null) return null;
      return { index, text, logprobs, finish_reason: null };
    },
    closing: (index, finishReason): Delta => ({
      index,
      text: "",
      logprobs: null,
      finish_reason: completionFinishReason(finishReason),
    }),
  };
}

function isHidden(tokenizer: Tokenizer, detail: TokenLogprob): boolean {
  return tokenizer.specialTokenIds.has(detail.tokenId);
}
