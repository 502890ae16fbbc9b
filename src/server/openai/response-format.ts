// How chat and text completions differ in OpenAI's format: bodies, choices and deltas.
import type { FinishReason } from "../../base/finish-reason.ts";
import type { SampleResult, TokenLogprob } from "../../engine/request.ts";
import type { Tokenizer } from "../../text/tokenizer.ts";
import { completionFinishReason } from "../wire-finish-reason.ts";
import type { ChatCompletion, ChatCompletionChunk } from "./chat-schema.ts";
import type { TextCompletion, TextCompletionChunk } from "./completions-schema.ts";
import { chatLogprobs, isSpecial, TextLogprobWriter } from "./logprobs.ts";

/** The fields that a body and all its chunks share. */
export type CompletionHead = Omit<ChatCompletion, "object" | "choices" | "usage">;

export interface CompletionShape<Body extends ChatCompletion | TextCompletion> {
  readonly operation: "chat" | "text_completion";
  readonly idPrefix: string;
  readonly chunkObject: string;
  /** Whether a choice continues the prompt's text, so that a leading space is kept, or is a message of its own. */
  readonly continuesText: boolean;
  /** The whole body; sample i is choice i. */
  whole(head: CompletionHead, samples: readonly SampleResult[], usage: Body["usage"]): Body;
  /** The first delta of a choice; null if the format has none. */
  opening(index: number): object | null;
  /** Null if there is nothing to send. */
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
        detail === null || isSpecial(tokenizer, detail) ? null : chatLogprobs(tokenizer, [detail]);
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
      const logprobs =
        detail === null || isSpecial(tokenizer, detail) ? null : writerOf(index).next([detail]);
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
